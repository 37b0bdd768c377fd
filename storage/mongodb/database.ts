import { type Collection, type Db, type MongoClient, MongoError } from 'mongodb'
import type { OpenRun } from '../kit/contract.ts'
import { LeaseLost, StorageUnavailable } from '../kit/errors.ts'
import type {
  EventDocument,
  LeaseDocument,
  MetaDocument,
  RejectDocument,
  RunDocument,
  SourceDocument
} from './documents.ts'

/** Of every read: how long the server may take for it. */
export const READ = { maxTimeMS: 10_000 }
export const DUPLICATE_KEY = 11000

/** A filter that holds, on the server's clock, until the lease expires: as long as nobody else can have taken it. */
export interface InTime {
  $expr: object
}

/** The collections, and what turns what the driver throws into errors of the contract. */
export interface Database {
  events: Collection<EventDocument>
  runs: Collection<RunDocument>
  rejects: Collection<RejectDocument>
  sources: Collection<SourceDocument>
  leases: Collection<LeaseDocument>
  meta: Collection<MetaDocument>
  attempt<T>(work: () => Promise<T>): Promise<T>
  /**
   * Only the holder of the newest token gets past this. Between here and what it then writes a successor may have come,
   * so every write is fenced once more: by the token that events, sources and runs carry, and by `inTime`.
   */
  fenced<T>(run: OpenRun, work: (inTime: InTime) => Promise<T>): Promise<T>
  /** Adds to the counters, and gives what they are then. */
  count(changes: { revision?: number; seq?: number }): Promise<MetaDocument>
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
      if (!(error instanceof MongoError)) throw error
      throw new StorageUnavailable(`MongoDB: ${error.message}`, { cause: error })
    }
  }
  return {
    events: db.collection('events'),
    runs: db.collection('runs'),
    rejects: db.collection('rejects'),
    sources: db.collection('sources'),
    leases,
    meta,
    attempt,
    fenced: ({ lease: { name, holder, token } }, work) =>
      attempt(async () => {
        const lease = await leases.findOne({ _id: name, holder, token }, READ)
        if (lease === null) throw new LeaseLost(name)
        return work({ $expr: { $lt: [{ $toLong: '$$NOW' }, lease.expires.getTime()] } })
      }),
    async count(changes) {
      const counters = await meta.findOneAndUpdate({ _id: 'counters' }, { $inc: changes }, { returnDocument: 'after' })
      if (counters === null) throw new StorageUnavailable('MongoDB: the database is not migrated yet')
      return counters
    }
  }
}
