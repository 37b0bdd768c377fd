import { randomUUID } from 'node:crypto'
import { type Collection, MongoServerError } from 'mongodb'
import type { Lease } from '../kit/contract.ts'
import type { LeaseDocument } from './documents.ts'

const DUPLICATE_KEY = 11000
/** By the server's clock. As numbers: not every server compares `$$NOW` with a stored date rightly. */
const EXPIRED = { $lte: [{ $toLong: { $ifNull: ['$expires', new Date(0)] } }, { $toLong: '$$NOW' }] }
const inMs = (ms: number) => ({ $dateAdd: { startDate: '$$NOW', unit: 'millisecond', amount: ms } })

export async function takeLease(
  leases: Collection<LeaseDocument>,
  name: string,
  holder: string,
  ms: number
): Promise<Lease | null> {
  const take = randomUUID()
  const isFree = { $or: [{ $eq: [{ $ifNull: ['$holder', null] }, null] }, EXPIRED] }
  const ifFree = (value: unknown, field: string) => ({ $cond: ['$free', value, `$${field}`] })
  const pipeline = [
    { $set: { free: isFree } },
    {
      $set: {
        token: ifFree({ $add: [{ $ifNull: ['$token', 0] }, 1] }, 'token'),
        holder: ifFree({ $literal: holder }, 'holder'),
        expires: ifFree(inMs(ms), 'expires'),
        take: ifFree({ $literal: take }, 'take')
      }
    },
    { $unset: 'free' }
  ]
  try {
    const lease = await leases.findOneAndUpdate({ _id: name }, pipeline, { upsert: true, returnDocument: 'after' })
    return lease?.take === take ? { name, holder, token: lease.token } : null
  } catch (error) {
    // Two made the very first lease of this name at once; the other one has it.
    if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return null
    throw error
  }
}

export async function renewLease(
  leases: Collection<LeaseDocument>,
  { name, holder, token }: Lease,
  ms: number
): Promise<boolean> {
  const filter = { _id: name, holder, token, $expr: { $not: [EXPIRED] } }
  const result = await leases.updateOne(filter, [{ $set: { expires: inMs(ms) } }])
  return result.matchedCount === 1
}

export async function releaseLease(leases: Collection<LeaseDocument>, { name, holder, token }: Lease): Promise<void> {
  await leases.updateOne({ _id: name, holder, token }, { $set: { holder: null } })
}
