import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { OpenRun } from '../kit/contract.ts'
import { LeaseLost, StorageUnavailable } from '../kit/errors.ts'

/** SQLite's own clock, in milliseconds: every process on the file sees the same one. */
export const NOW_MS = "cast(unixepoch('subsec') * 1000 as integer)"

export type Row = Record<string, SQLOutputValue>
export type SqlValue = string | number | Uint8Array | null

/** One connection: prepared statements, and transactions that turn what SQLite throws into errors of the contract. */
export interface Database {
  get(sql: string, ...values: SqlValue[]): Row | undefined
  all(sql: string, ...values: SqlValue[]): Row[]
  iterate(sql: string, ...values: SqlValue[]): Iterable<Row>
  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number }
  attempt<T>(work: () => T): Promise<T>
  transaction<T>(work: () => T): Promise<T>
  /** A transaction that only the holder of the newest token of the run's lease can commit. */
  fenced<T>(run: OpenRun, work: () => T): Promise<T>
}

export function createDatabase(connection: DatabaseSync, path: string): Database {
  const statements = new Map<string, StatementSync>()
  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = connection.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  async function attempt<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw error
      throw new StorageUnavailable(`the SQLite file ${path}: ${(error as Error).message}`, { cause: error })
    }
  }
  const transaction = <T>(work: () => T): Promise<T> =>
    attempt(() => {
      connection.exec('begin immediate')
      try {
        const result = work()
        connection.exec('commit')
        return result
      } catch (error) {
        if (connection.isTransaction) connection.exec('rollback')
        throw error
      }
    })

  const database: Database = {
    get: (sql, ...values) => prepare(sql).get(...values) as Row | undefined,
    all: (sql, ...values) => prepare(sql).all(...values) as Row[],
    iterate: (sql, ...values) => prepare(sql).iterate(...values) as Iterable<Row>,
    // Never bigints: they are not asked for.
    run: (sql, ...values) => prepare(sql).run(...values) as { changes: number; lastInsertRowid: number },
    attempt,
    transaction,
    fenced: ({ lease: { name, holder, token } }, work) =>
      transaction(() => {
        const held = database.get(
          'select 1 from leases where name = ? and holder = ? and token = ?',
          name,
          holder,
          token
        )
        if (held === undefined) throw new LeaseLost(name)
        return work()
      })
  }
  return database
}
