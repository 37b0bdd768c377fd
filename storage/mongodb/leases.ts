import { randomUUID } from 'node:crypto'
import { MongoServerError } from 'mongodb'
import { clockFrom } from '../kit/clock.ts'
import type { LeaseState, Occasion, Storage } from '../kit/contract.ts'
import { MOST_AHEAD_MS } from '../kit/leases.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'

/** By the server's clock. As numbers: not every server compares `$$NOW` with a stored date rightly. */
const NOW = { $toLong: '$$NOW' }
const timeOf = (field: string) => ({ $toLong: { $ifNull: [`$${field}`, new Date(0)] } })
const isAhead = (field: string) => ({ $gt: [{ $subtract: [timeOf(field), MOST_AHEAD_MS] }, NOW] })
const EXPIRED = { $lte: [timeOf('expires'), NOW] }
const NOT_HELD = { $eq: [{ $ifNull: ['$holder', null] }, null] }
const inMs = (ms: number) => ({ $dateAdd: { startDate: '$$NOW', unit: 'millisecond', amount: ms } })

type Leases = Pick<Storage, 'takeLease' | 'renewLease' | 'releaseLease'>

export function createLeases({ leases, attempt }: Database): Leases {
  return {
    takeLease: (name, holder, ms, occasion) =>
      attempt(async () => {
        const take = randomUUID()
        const isFree = { $and: [{ $or: [NOT_HELD, EXPIRED, isAhead('expires')] }, ...isDue(occasion)] }
        const ifFree = (value: unknown, field: string) => ({ $cond: ['$free', value, `$${field}`] })
        const pipeline = [
          { $set: { free: isFree } },
          {
            $set: {
              token: ifFree({ $add: [{ $ifNull: ['$token', 0] }, 1] }, 'token'),
              vanished: ifFree({ $add: [{ $ifNull: ['$vanished', 0] }, { $cond: [NOT_HELD, 0, 1] }] }, 'vanished'),
              holder: ifFree({ $literal: holder }, 'holder'),
              expires: ifFree(inMs(ms), 'expires'),
              taken_at: ifFree('$$NOW', 'taken_at'),
              ...(occasion && { attended_at: ifFree('$$NOW', 'attended_at'), unfinished: ifFree(true, 'unfinished') }),
              take: ifFree({ $literal: take }, 'take')
            }
          },
          { $unset: 'free' }
        ]
        try {
          const lease = await leases.findOneAndUpdate({ _id: name }, pipeline, {
            upsert: true,
            returnDocument: 'after'
          })
          if (lease?.take !== take) return null
          const isForOccasion = occasion !== undefined
          return { name, holder, token: lease.token, isForOccasion, now: clockFrom(lease.taken_at!.getTime()) }
        } catch (error) {
          // Two made the very first lease of this name at once; the other one has it.
          if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return null
          throw error
        }
      }),

    renewLease: ({ name, holder, token }, ms) =>
      attempt(async () => {
        const filter = { _id: name, holder, token, $expr: { $not: [EXPIRED] } }
        const result = await leases.updateOne(filter, [{ $set: { expires: inMs(ms) } }])
        return result.matchedCount === 1
      }),

    releaseLease: ({ name, holder, token, isForOccasion }, isDone = true) =>
      attempt(async () => {
        // Whoever has had it for no occasion leaves that of another one as it is.
        const done = isDone && isForOccasion ? { unfinished: false, vanished: 0 } : {}
        await leases.updateOne({ _id: name, holder, token }, { $set: { holder: null, ...done } })
      })
  }
}

function isDue(occasion: Occasion | undefined): object[] {
  if (occasion === undefined) return []
  if ('abandoned' in occasion) return [{ $eq: ['$unfinished', true] }]
  return [{ $or: [{ $lt: [timeOf('attended_at'), occasion.since] }, isAhead('attended_at')] }]
}

export async function leaseStates({ leases }: Database): Promise<LeaseState[]> {
  const rows = await leases.find({}, READ).sort({ _id: 1 }).toArray()
  return rows.map(({ _id, holder, token, expires, taken_at, attended_at, unfinished = false, vanished = 0 }) => ({
    name: _id,
    holder,
    token,
    taken_at: taken_at?.getTime() ?? 0,
    expires: expires.getTime(),
    attended_at: attended_at?.getTime() ?? null,
    unfinished,
    vanished
  }))
}
