import { randomUUIDv7 } from 'node:crypto'
import { type Command, isSwitch, LONGEST_WAIT_MS, MOST_RESULTS, WAITED_TOO_LONG } from '../kit/command.ts'
import type { OpenRun, RunEnd, Storage } from '../kit/contract.ts'
import { toPage } from '../kit/page.ts'
import { type Database, NOW_MS, type Row } from './database.ts'
import { circuits } from './history.ts'
import { leaseStates } from './leases.ts'

type Commands = Pick<
  Storage,
  'agenda' | 'addCommand' | 'paused' | 'command' | 'commands' | 'beginCommand' | 'finishCommand'
>

/** In milliseconds: a `run` that is asked for so soon after another is that one. */
const SAME_RUN = 1000
const MOST_WAITING = 1000
const WITHOUT_RESULT = 'no, id, source, kind, asked_at, finished_at, outcome, detail'

export function createCommands(database: Database): Commands {
  const { get, all, run, attempt, transaction } = database
  const paused = () =>
    all(
      `select source from commands c where kind = 'pause' and not exists (select 1 from commands later
             where later.source = c.source and later.kind in ('pause', 'resume') and later.no > c.no)`
    ).map((row) => row.source as string)

  return {
    agenda: () =>
      attempt(() => ({
        now: get(`select ${NOW_MS} as now`)!.now as number,
        leases: leaseStates(database),
        circuits: circuits(database),
        // Before it is read what is paused: a `run` that was asked for just after a `resume` must not find its source paused.
        commands: all('select * from commands where finished_at is null order by no limit ?', MOST_WAITING).map(
          toCommand
        ),
        paused: paused()
      })),

    paused: () => attempt(paused),

    addCommand: (source, kind) =>
      transaction(() => {
        const same = get(
          `select * from commands where source = ?1 and kind = ?2 and ?2 not in ('pause', 'resume')
             and (finished_at is null or ?2 = 'run' and asked_at > ${NOW_MS} - ${SAME_RUN}) order by no desc limit 1`,
          source,
          kind
        )
        const row =
          same ??
          get(
            `insert into commands (id, source, kind, asked_at, finished_at, outcome)
             values (?1, ?2, ?3, ${NOW_MS}, iif(?4, ${NOW_MS}, null), iif(?4, 'done', null)) returning *`,
            randomUUIDv7(),
            source,
            kind,
            isSwitch(kind) ? 1 : 0
          )
        return toCommand(row!)
      }),

    command: (source, id) =>
      attempt(() => {
        const row = get('select * from commands where id = ? and source = ?', id, source)
        return row === undefined ? null : toCommand(row)
      }),

    commands: (source, { limit, after = [String(Number.MAX_SAFE_INTEGER)] }) =>
      attempt(() => {
        const rows = all(
          `select ${WITHOUT_RESULT} from commands where source = ? and no < ? order by no desc limit ?`,
          source,
          Number(after[0]),
          limit + 1
        )
        const { items, next } = toPage(rows, limit, (last) => [String(last.no)])
        return { items: items.map(toCommand), next }
      }),

    beginCommand: (id) =>
      attempt(() => {
        const row = get(
          'update commands set attempts = attempts + 1 where id = ? and finished_at is null returning attempts',
          id
        )
        return row === undefined ? null : (row.attempts as number)
      }),

    finishCommand: (id, { outcome, detail, result = null }) =>
      attempt(() => {
        run(
          `update commands set finished_at = ${NOW_MS}, outcome = ?, detail = ?, result = ?
           where id = ? and finished_at is null`,
          outcome,
          detail,
          result,
          id
        )
      })
  }
}

/** In the transaction that closes the run. */
export function finishCommandOf({ run }: Database, { id }: OpenRun, { outcome, detail }: RunEnd): void {
  run(
    `update commands set finished_at = ${NOW_MS}, outcome = ?, detail = ? where id = ? and finished_at is null`,
    outcome,
    detail,
    id
  )
}

export function endForgottenCommands({ run }: Database): void {
  run(
    `update commands set finished_at = ${NOW_MS}, outcome = 'aborted', detail = ?
     where finished_at is null and asked_at < ${NOW_MS} - ?`,
    WAITED_TOO_LONG,
    LONGEST_WAIT_MS
  )
}

export function pruneCommands({ run }: Database, source: string, keep: number): void {
  run(
    `delete from commands where source = ?1 and finished_at is not null
       and no <= (select no from commands where source = ?1 order by no desc limit 1 offset ?2)
       and no is not (select max(no) from commands where source = ?1 and kind in ('pause', 'resume'))`,
    source,
    keep
  )
  run(
    `update commands set result = null where source = ?1 and result is not null
       and no <= (select no from commands where source = ?1 and result is not null order by no desc limit 1 offset ?2)`,
    source,
    MOST_RESULTS
  )
}

function toCommand({ id, source, kind, asked_at, finished_at, outcome, detail, result }: Row): Command {
  const at = (ms: unknown) => (ms === null ? null : new Date(ms as number).toISOString())
  return { id, source, kind, asked_at: at(asked_at), finished_at: at(finished_at), outcome, detail, result } as Command
}
