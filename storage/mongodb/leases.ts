import { randomUUID } from 'node:crypto'
import { MongoServerError } from 'mongodb'
import type { Storage } from '../kit/contract.ts'
import { type Database, DUPLICATE_KEY } from './database.ts'

/** By the server's clock. As numbers: not every server compares `$$NOW` with a stored date rightly. */
const EXPIRED = { $lte: [{ $toLong: { $ifNull: ['$expires', new Date(0)] } }, { $toLong: '$$NOW' }] }
const inMs = (ms: number) => ({ $dateAdd: { startDate: '$$NOW', unit: 'millisecond', amount: ms } })

type Leases = Pick<Storage, 'takeLease' | 'renewLease' | 'releaseLease'>

export function createLeases({ leases, attempt }: Database): Leases {
  return {
    takeLease: (name, holder, ms) =>
      attempt(async () => {
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
          const lease = await leases.findOneAndUpdate({ _id: name }, pipeline, {
            upsert: true,
            returnDocument: 'after'
          })
          return lease?.take === take ? { name, holder, token: lease.token } : null
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

    releaseLease: ({ name, holder, token }) =>
      attempt(async () => {
        await leases.updateOne({ _id: name, holder, token }, { $set: { holder: null } })
      })
  }
}
