import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reason } from '../../storage/kit/run.ts'
import type { Answer } from '../provider/answer.ts'
import { blankFeed } from '../provider/bodies.ts'
import { writeFeed } from '../provider/feeds.ts'
import { type Provider, startProvider } from '../provider.ts'
import { type Attacked, attack, canMeasure, DEADLINE_SECONDS, MOST_GROWTH, MOST_MILLISECONDS } from './attack.ts'
import { hostileDocuments } from './hostile-documents.ts'
import { isFull, recordHazard } from './record.ts'

// Each in a process of its own, whose peak of memory is measured.
describe.skipIf(!canMeasure)('an attack', () => {
  let trap: Provider
  beforeAll(async () => {
    trap = await startProvider()
  })
  afterAll(() => trap.close())

  it('by a document that is made to hurt is over soon, costs little memory, and asks nobody else', async ({ task }) => {
    const documents = Object.entries(hostileDocuments(new URL(trap.url).origin))
    const chosen = isFull ? documents : pick(documents, SAMPLE)
    const results: Result[] = []
    for (const [name, make] of chosen) results.push({ name, ...(await attack(() => ({ body: make() }))) })
    recordHazard(task, {
      hazard: `XXE, billion laughs, DOCTYPE, 50 MB of one thing, deep, wide, nested, endless: ${chosen.length} documents`,
      expected: `refused or read, in < ${DEADLINE_SECONDS} s or at that deadline; RSS growth ≤ ${MOST_GROWTH} MB`,
      figure: `${summarize(results)}, outbound hits ${trap.requests.length}`
    })
    for (const { name, run, milliseconds, growth } of results) {
      if (/DTD|entity|laughs/.test(name)) expect(run.reason, name).toBe('doctype')
      expect([null, ...REFUSALS], name).toContain(run.reason)
      expect(run.counts.delisted, name).toBe(0)
      expect(milliseconds, name).toBeLessThan(MOST_MILLISECONDS)
      expect(growth, name).toBeLessThanOrEqual(MOST_GROWTH)
    }
    expect(trap.requests).toHaveLength(0)
  }, 600_000)

  it('by a body that drips, stalls, never ends or unpacks without end is over at the deadline or the cap', async ({
    task
  }) => {
    const cap = 16
    const bodies: Record<string, { answer: () => Answer; reason: Reason }> = {
      'no answer': { answer: () => ({ delayMs: 60_000 }), reason: 'timeout' },
      'drip of 1 byte every 100 ms': {
        answer: () => ({ body: writeFeed(10), drip: { bytes: 1, everyMs: 100 } }),
        reason: 'timeout'
      },
      stall: { answer: () => ({ body: writeFeed(10), stallAfter: 2000 }), reason: 'timeout' },
      'endless body': { answer: () => ({ body: blankFeed() }), reason: 'too_large' },
      'endless body without framing': { answer: () => ({ body: blankFeed(), framing: 'close' }), reason: 'too_large' },
      'gzip bomb': { answer: () => ({ body: blankFeed(), gzip: true }), reason: 'too_large' }
    }
    const results: Result[] = []
    const sample = ['drip of 1 byte every 100 ms', 'endless body', 'gzip bomb']
    for (const [name, { answer }] of Object.entries(bodies)) {
      if (!isFull && !sample.includes(name)) continue
      results.push({ name, ...(await attack(answer, { max_mb: cap })) })
    }
    const bytes = Math.max(...results.map(({ run }) => run.counts.bytes))
    recordHazard(task, {
      hazard: 'no answer, drip of 1 byte / 100 ms, stall, endless body, gzip bomb',
      expected: `total deadline of ${DEADLINE_SECONDS} s, decoded-byte cap of ${cap} MB; RSS growth ≤ ${MOST_GROWTH} MB`,
      figure: `${summarize(results)}, bytes at abort ≤ ${bytes}`
    })
    for (const { name, run, milliseconds, growth } of results) {
      expect(run.reason, name).toBe(bodies[name]!.reason)
      expect(run.counts.delisted, name).toBe(0)
      expect(milliseconds, name).toBeLessThan(MOST_MILLISECONDS)
      expect(growth, name).toBeLessThanOrEqual(MOST_GROWTH)
    }
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThanOrEqual(cap * 1e6)
  }, 600_000)
})

type Result = Attacked & { name: string }

const REFUSALS: Reason[] = ['doctype', 'limits', 'malformed', 'not_a_feed', 'truncated', 'too_large', 'timeout']

function summarize(results: Result[]): string {
  const slowest = results.reduce((a, b) => (a.milliseconds > b.milliseconds ? a : b))
  const largest = results.reduce((a, b) => (a.growth > b.growth ? a : b))
  return `≤ ${(slowest.milliseconds / 1000).toFixed(2)} s (${slowest.name}), ≤ ${largest.growth.toFixed(0)} MB (${largest.name})`
}

// One of each kind: an address to ask, a piece that grows, depth, width, and records that come faster than they are kept.
const SAMPLE = [
  'external entity',
  'attribute value of 50 MB',
  'text of 50 MB',
  '200 000 deep',
  'tiny events without end, all wrong'
]

function pick<T>(all: [string, T][], names: string[]): [string, T][] {
  return names.map((name) => all.find(([one]) => one === name)!)
}
