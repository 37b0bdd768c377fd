import type { Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { type Database, READ } from './database.ts'

export function createAlerts({ alerts, answer, fenced }: Database): Pick<Storage, 'alerts' | 'saveAlerts'> {
  return {
    alerts: () => answer(async () => (await alerts.findOne({ _id: 'alerts' }, READ))?.list ?? []),
    saveAlerts: (lease, list) =>
      fenced({ lease }, async ({ inTime }) => {
        const { token, name } = lease
        const older = { _id: 'alerts', token: { $lte: token }, ...inTime } as const
        const { matchedCount } = await alerts.updateOne(older, { $set: { list, token } })
        if (matchedCount === 0) throw new LeaseLost(name)
      })
  }
}
