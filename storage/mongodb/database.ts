import { type Collection, type Db, type Document, type MongoClient, MongoError } from 'mongodb'
import type { OpenRun } from '../kit/contract.ts'
import { LeaseLost, StorageUnavailable } from '../kit/errors.ts'
import type {
  AlertsDocument,
  BodyDocument,
  CommandDocument,
  EventDocument,
  LeaseDocument,
  MetaDocument,
  RejectDocument,
  RunDocument,
  SourceDocument,
  VersionDocument
} from './documents.ts'
import { createFence, type Fence, isFenced, toCommands, type Write } from './fence.ts'

/** How long somebody may wait who only asks for something. */
const ANSWER_MS = 3000
/** Of every read: how long the server may take for it. */
export const READ = { maxTimeMS: 10_000 }
export const DUPLICATE_KEY = 11000

/** The collections, and what turns what the driver throws into errors of the contract. */
export interface Database {
  events: Collection<EventDocument>
  versions: Collection<VersionDocument>
  runs: Collection<RunDocument>
  rejects: Collection<RejectDocument>
  sources: Collection<SourceDocument>
  bodies: Collection<BodyDocument>
  leases: Collection<LeaseDocument>
  commands: Collection<CommandDocument>
  alerts: Collection<AlertsDocument>
  meta: Collection<MetaDocument>
  attempt<T>(work: () => Promise<T>): Promise<T>
  /**
   * The same for what requests wait for: given up after a few seconds, whether the server hangs, is not found, or fails
   * and is asked again. (`timeoutMS` has no effect in this driver.)
   */
  answer<T>(work: () => Promise<T>): Promise<T>
  /**
   * Only the holder of the newest token gets past this. Between here and what it then writes a successor may have come,
   * so every write is fenced once more: by the token that all documents carry, and by the fence.
   */
  fenced<T>(run: Pick<OpenRun, 'lease'>, work: (fence: Fence) => Promise<T>): Promise<T>
  /** Writes documents, unless a newer token wrote one of them or the lease has expired. */
  writeFenced<T extends Document>(
    run: OpenRun,
    collection: Collection<T>,
    writes: Write<T>[],
    fence: Fence
  ): Promise<void>
  /** Adds to the counters, and gives what they are then. */
  count(changes: Pick<MetaDocument, 'revision' | 'seq' | 'commands'>): Promise<MetaDocument>
  /**
   * Raises the revision after work that changes so many events, even after such that failed half-way: who read the old
   * revision read the old events.
   */
  growing<T>(changes: number, work: () => Promise<T>): Promise<T>
}

export function createDatabase(client: MongoClient, db: Db): Database {
  const leases = db.collection<LeaseDocument>('leases')
  const meta = db.collection<MetaDocument>('meta')

  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      // A client whose first connection failed stays shut until it is told to connect again; on another this is nothing.
      await client.connect()
      return await work()
    } catch (error) {
      if (!(error instanceof MongoError || isSocketError(error))) throw error
      throw new StorageUnavailable(`MongoDB: ${error.message}`, { cause: error })
    }
  }
  async function answer<T>(work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const error = () => new StorageUnavailable(`MongoDB: there was no answer within ${ANSWER_MS / 1000} s`)
      timer = setTimeout(() => reject(error()), ANSWER_MS)
    })
    try {
      return await Promise.race([attempt(work), late])
    } finally {
      clearTimeout(timer)
    }
  }
  async function count(changes: Pick<MetaDocument, 'revision' | 'seq' | 'commands'>): Promise<MetaDocument> {
    const counters = await meta.findOneAndUpdate({ _id: 'counters' }, { $inc: changes }, { returnDocument: 'after' })
    if (counters === null) throw new StorageUnavailable('MongoDB: the database is not migrated yet')
    return counters
  }
  return {
    events: db.collection('events'),
    versions: db.collection('versions'),
    runs: db.collection('runs'),
    rejects: db.collection('rejects'),
    sources: db.collection('sources'),
    bodies: db.collection('bodies'),
    leases,
    commands: db.collection('commands'),
    alerts: db.collection('alerts'),
    meta,
    attempt,
    answer,
    fenced: ({ lease }, work) =>
      attempt(async () => {
        const { name, holder, token } = lease
        const held = await leases.findOne({ _id: name, holder, token }, READ)
        if (held === null) throw new LeaseLost(name)
        return work(createFence(lease, held.expires))
      }),
    async writeFenced({ lease }, collection, writes, { inTime, bound }) {
      for (const operations of toCommands(writes, inTime)) {
        const result = await collection.bulkWrite(operations, { ordered: true, ...bound }).catch((error) => {
          throw isFenced(error) ? new LeaseLost(lease.name) : error
        })
        if (result.matchedCount + result.upsertedCount < operations.length) throw new LeaseLost(lease.name)
      }
    },
    count,
    async growing(changes, work) {
      if (changes === 0) return work()
      const result = await work().catch(async (error) => {
        await count({ revision: changes }).catch(() => undefined)
        throw error
      })
      await count({ revision: changes })
      return result
    }
  }
}

/** The driver lets some through as they are: EPIPE, when it writes to a connection that the server has just ended. */
function isSocketError(error: unknown): error is Error {
  return error instanceof Error && /^E[A-Z]+$/.test((error as NodeJS.ErrnoException).code ?? '')
}
