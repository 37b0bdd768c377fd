import { expect, it } from 'vitest'
import type { Family } from '../../../plugins/metrics/family.ts'
import { createLedger } from '../../../plugins/metrics/ledger.ts'

const counted = (value: number) =>
  [{ name: 'n', help: 'h', type: 'counter', aggregator: 'sum', values: [{ value, labels: {} }] }] as unknown as Family[]

it('counts one that has ended once, also where it answers after its end', async () => {
  const ledger = createLedger()
  ledger.learn({ instance: '1', families: counted(5) })
  await ledger.end('1')
  ledger.learn({ instance: '1', families: counted(5) })
  ledger.learn({ instance: '2', families: counted(2) })
  const all = ledger.all(['2']).flat()
  const sum = all.reduce((total, { values }) => total + (values as { value: number }[])[0]!.value, 0)
  expect(sum).toBe(7)
})
