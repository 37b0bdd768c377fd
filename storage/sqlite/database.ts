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
  exec(sql: string): void
  attempt<T>(work: () => T | Promise<T>): Promise<T>
  transaction<T>(work: () => T): Promise<T>
  /** Resolves when all of it has ended that takes several steps. */
  settled(): Promise<void>
  /** A transaction that only the holder of the newest token of the lease can commit. */
  fenced<T>(run: Pick<OpenRun, 'lease'>, work: () => T): Promise<T>
}

/** By SQLite's result code. */
const REMEDIES: Record<number, string> = {
  5: 'another process holds it: find which, with lsof or fuser',
  8: 'let this user write to it, to its folder, and to the file system',
  10: 'the disk cannot be read or written: look at it, and at the log of the system',
  11: 'it is damaged: stop the service and put a backup in its place, or what sqlite3 .recover saves of it',
  13: 'make room on its disk',
  14: 'see that it is where it was, and that this user may read it',
  26: 'something else has been written over it: stop the service and put a backup in its place'
}

const MOST_STATEMENTS = 500

/** I/O error, damaged, no database. */
const MISREAD = [10, 11, 26]

export function createDatabase(connection: DatabaseSync, path: string): Database {
  const statements = new Map<string, StatementSync>()
  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = connection.prepare(sql)
      statements.set(sql, statement)
      // Queries have many shapes: the oldest goes.
      if (statements.size > MOST_STATEMENTS) statements.delete(statements.keys().next().value!)
    }
    return statement
  }

  const underWay = new Set<Promise<unknown>>()
  async function follow<T>(work: Promise<T>): Promise<T> {
    underWay.add(work)
    try {
      return await work
    } finally {
      underWay.delete(work)
    }
  }

  async function attempt<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      const result = work()
      return result instanceof Promise ? await follow(result) : result
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw error
      const { errcode = 0, message } = error as { errcode?: number; message: string }
      // The upper bits only say more of the same.
      const code = errcode & 0xff
      const remedy = REMEDIES[code]
      // What was read wrongly would be kept, and found wrong for ever, also in a file that has been mended.
      if (MISREAD.includes(code)) connection.exec('pragma shrink_memory')
      throw new StorageUnavailable(`the SQLite file ${path}: ${message}${remedy ? `: ${remedy}` : ''}`, {
        cause: error
      })
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
    exec: (sql) => connection.exec(sql),
    attempt,
    settled: async () => {
      await Promise.allSettled(underWay)
    },
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

/** The same bytes, as they came out of the database; none where there is nothing. */
export function toBuffer(blob: Uint8Array | null): Buffer {
  return blob === null ? EMPTY : Buffer.from(blob.buffer, blob.byteOffset, blob.length)
}

const EMPTY = Buffer.alloc(0)
