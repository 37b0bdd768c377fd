import { randomUUIDv7 } from 'node:crypto'
import { type Filter, MongoServerError } from 'mongodb'
import {
  type Command,
  type CommandEnd,
  type CommandKind,
  isSwitch,
  LONGEST_WAIT_MS,
  MOST_RESULTS,
  SWITCHES,
  WAITED_TOO_LONG
} from '../kit/command.ts'
import type { Storage } from '../kit/contract.ts'
import { StorageUnavailable } from '../kit/errors.ts'
import { toPage } from '../kit/page.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import type { CommandDocument } from './documents.ts'
import { circuits } from './history.ts'
import { leaseStates } from './leases.ts'

type Commands = Pick<
  Storage,
  'agenda' | 'addCommand' | 'paused' | 'command' | 'commands' | 'beginCommand' | 'finishCommand'
>

/** In milliseconds: a `run` that is asked for so soon after another is that one. */
const SAME_RUN = 1000
const MOST_WAITING = 1000
/** Each time somebody else asked for the same, and it was done before it could be read. */
const MOST_TRIES = 10

export function createCommands(database: Database): Commands {
  const { commands, meta, answer, attempt, count } = database

  async function findSame(source: string, kind: CommandKind): Promise<CommandDocument | null> {
    if (isSwitch(kind)) return null
    const isRecent = { $gt: [{ $add: [{ $toLong: '$asked_at' }, SAME_RUN] }, { $toLong: '$$NOW' }] }
    const same: Filter<CommandDocument> = { source, kind, finished_at: null }
    const recent: Filter<CommandDocument> = { source, kind, $expr: isRecent }
    return (
      (await commands.findOne(same, READ)) ??
      (kind === 'run' ? await commands.findOne(recent, { ...READ, sort: { no: -1 } }) : null)
    )
  }

  async function insert(source: string, kind: CommandKind): Promise<CommandDocument | null> {
    const { commands: no } = await count({ commands: 1 })
    const about = { no: no!, source, kind, outcome: isSwitch(kind) ? 'done' : null, detail: null, result: null }
    const literals = Object.fromEntries(Object.entries(about).map(([key, value]) => [key, { $literal: value }]))
    const times = { asked_at: '$$NOW', finished_at: isSwitch(kind) ? '$$NOW' : { $literal: null } }
    const waiting = isSwitch(kind) ? {} : { waiting: { $literal: `${source}/${kind}` } }
    try {
      return await commands.findOneAndUpdate(
        { _id: randomUUIDv7() },
        [{ $set: { ...literals, ...times, ...waiting, attempts: { $literal: 0 } } }],
        { upsert: true, returnDocument: 'after' }
      )
    } catch (error) {
      if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return null
      throw error
    }
  }

  async function paused(): Promise<string[]> {
    const filter = { kind: { $in: [...SWITCHES] } }
    const switches = await commands
      .find(filter, { ...READ, projection: { source: 1, kind: 1 } })
      .sort({ no: 1 })
      .toArray()
    const last = new Map(switches.map(({ source, kind }) => [source, kind]))
    return [...last].filter(([, kind]) => kind === 'pause').map(([source]) => source)
  }

  return {
    agenda: () =>
      answer(async () => {
        const waiting = commands.find({ finished_at: null }, READ).sort({ no: 1 }).limit(MOST_WAITING).toArray()
        const [now, leases, known, isWaiting, isPaused] = await Promise.all([
          meta.aggregate<{ now: Date }>([{ $match: { _id: 'counters' } }, { $project: { now: '$$NOW' } }]).next(),
          leaseStates(database),
          circuits(database),
          waiting,
          // After them, so that a `run` that was asked for just after a `resume` does not find its source paused.
          waiting.then(paused)
        ])
        if (now === null) throw new StorageUnavailable('MongoDB: the database is not migrated yet')
        return { now: now.now.getTime(), leases, circuits: known, paused: isPaused, commands: isWaiting.map(toCommand) }
      }),

    paused: () => answer(paused),

    addCommand: (source, kind) =>
      attempt(async () => {
        for (let tries = 0; tries < MOST_TRIES; tries++) {
          const command = (await findSame(source, kind)) ?? (await insert(source, kind))
          if (command !== null) return toCommand(command)
        }
        throw new StorageUnavailable(`MongoDB: too many ask for a ${kind} of ${source} at once`)
      }),

    command: (source, id) =>
      answer(async () => {
        const command = await commands.findOne({ _id: id, source }, READ)
        return command === null ? null : toCommand(command)
      }),

    commands: (source, { limit, after }) =>
      answer(async () => {
        const older = after && { no: { $lt: Number(after[0]) } }
        const rows = await commands
          .find({ source, ...older }, { ...READ, projection: { result: 0 } })
          .sort({ no: -1 })
          .limit(limit + 1)
          .toArray()
        const { items, next } = toPage(rows, limit, (last) => [String(last.no)])
        return { items: items.map(toCommand), next }
      }),

    beginCommand: (id) =>
      attempt(async () => {
        const waiting = { _id: id, finished_at: null }
        const command = await commands.findOneAndUpdate(waiting, { $inc: { attempts: 1 } }, { returnDocument: 'after' })
        return command?.attempts ?? null
      }),

    finishCommand: (id, end) => attempt(() => finishCommand(database, id, end))
  }
}

export async function finishCommand({ commands }: Database, id: string, end: CommandEnd): Promise<void> {
  const { outcome, detail, result = null } = end
  const literals = { outcome: { $literal: outcome }, detail: { $literal: detail }, result: { $literal: result } }
  await commands.updateOne({ _id: id, finished_at: null }, [
    { $set: { ...literals, finished_at: '$$NOW' } },
    { $unset: 'waiting' }
  ])
}

export async function endForgottenCommands(database: Database): Promise<void> {
  const isForgotten = { $lt: [{ $add: [{ $toLong: '$asked_at' }, LONGEST_WAIT_MS] }, { $toLong: '$$NOW' }] }
  for await (const { _id } of database.commands.find({ finished_at: null, $expr: isForgotten }, READ)) {
    await finishCommand(database, _id, { outcome: 'aborted', detail: WAITED_TOO_LONG })
  }
}

export async function pruneCommands({ commands }: Database, source: string, keep: number): Promise<void> {
  const newest = { ...READ, sort: { no: -1 } } as const
  const [last, switched] = [
    await commands.findOne({ source }, { ...newest, skip: keep }),
    await commands.findOne({ source, kind: { $in: [...SWITCHES] } }, newest)
  ]
  if (last !== null) {
    await commands.deleteMany({
      source,
      no: { $lte: last.no, $ne: switched?.no ?? 0 },
      finished_at: { $ne: null }
    })
  }
  const withResult = { source, result: { $ne: null } }
  const bare = await commands.findOne(withResult, { ...newest, projection: { no: 1 }, skip: MOST_RESULTS })
  if (bare !== null) await commands.updateMany({ ...withResult, no: { $lte: bare.no } }, { $set: { result: null } })
}

function toCommand({ _id, source, kind, asked_at, finished_at, outcome, detail, result }: CommandDocument): Command {
  const times = { asked_at: asked_at.toISOString(), finished_at: finished_at?.toISOString() ?? null }
  return { id: _id, source, kind, ...times, outcome, detail, result }
}
