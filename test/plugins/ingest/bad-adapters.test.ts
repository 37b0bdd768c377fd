import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import type { SourceAdapter, SourceContext, SourceItem } from '../../../adapters/kit/contract.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { three } from '../../make-feed.ts'
import { startProvider } from '../../provider.ts'

const RECORD = {
  base_event_id: 'b',
  event_id: 'e',
  title: 'T',
  sell_mode: 'online',
  organizer_company_id: undefined,
  start_date: '2030-05-01T20:00:00',
  end_date: undefined,
  sell_from: undefined,
  sell_to: undefined,
  sold_out: 'false',
  zones: []
}
const where = () => ({ path: '/', raw: 'raw' })
const GOOD: SourceItem = { record: RECORD, where }
const garbage = (value: unknown) => value as SourceItem

/** Each is what a careless or broken adapter may do in place of reading a feed. */
const BAD: Record<string, (context: SourceContext) => AsyncGenerator<SourceItem | SourceItem[]>> = {
  'throws before the first item': async function* () {
    yield* [] as SourceItem[]
    throw new Error('boom')
  },
  'throws after some': async function* () {
    yield GOOD
    throw new TypeError('boom')
  },
  'throws what is no error': async function* () {
    yield GOOD
    throw null
  },
  'throws after it was complete': async function* (context) {
    yield GOOD
    context.complete({})
    throw new Error('boom')
  },
  'yields undefined': async function* () {
    yield garbage(undefined)
  },
  'yields a number': async function* () {
    yield garbage(42)
  },
  'yields items without a place': async function* () {
    yield garbage({ record: { ...RECORD, title: 7 } })
  },
  'yields items whose place is none': async function* () {
    yield garbage({ record: { ...RECORD, title: 7 }, where: () => ({ path: 1, raw: {} }) })
  },
  'yields items whose place cannot be told': async function* () {
    yield garbage({
      reject: 'bad',
      where() {
        throw new Error('boom')
      }
    })
  },
  'ends without a word': async function* () {
    yield GOOD
  },
  'calls a number its state': async function* (context) {
    yield GOOD
    context.complete(42 as never)
  },
  'has circles in its state': async function* (context) {
    const state: Record<string, unknown> = {}
    state.state = state
    yield GOOD
    context.complete(state as never)
  }
}

describe('an adapter that', () => {
  let service: TestApp
  let sound: SourceAdapter
  beforeEach(async () => {
    const provider = await startProvider()
    provider.serve(three)
    service = await createApp({ sources: { demo: { url: provider.url, timeout: 1 }, other: { url: provider.url } } })
    sound = service.app.adapters.get('provider-xml')!
    await service.ingest('demo')
    return async () => {
      await service.close()
      await provider.close()
    }
  })
  const use = (read: SourceAdapter['read']) => service.app.adapters.set('provider-xml', { ...sound, read })
  const listed = async () =>
    (await service.events('source=demo&sell_mode=any')).filter((one) => one.status === 'listed')

  for (const [what, read] of Object.entries(BAD)) {
    it(`${what} costs its own run`, async () => {
      use(read)
      const run = await service.ingest('demo')
      expect(run.reason).toBe('internal')
      expect(['partial', 'failed']).toContain(run.outcome)
      expect(run.detail).toBe('a fault in the adapter or the pipeline')
      expect((await listed()).filter((one) => one.base_event_id !== 'b')).toHaveLength(3)
      use(sound.read)
      expect(await service.ingest('other')).toMatchObject({ outcome: 'complete' })
      expect((await service.ingest('demo')).reason).toBeNull()
      expect(await listed()).toHaveLength(3)
    })
  }

  for (const [what, start] of Object.entries({
    'never yields': () => sleep(60_000, undefined, { ref: false }),
    'goes on yielding': () => sleep(1, undefined, { ref: false })
  })) {
    it(`${what}, and does not listen, is left at its deadline`, async () => {
      let isLeft = false
      use(async function* () {
        try {
          for (;;) {
            await start()
            yield GOOD
          }
        } finally {
          isLeft = true
        }
      })
      const run = await service.ingest('demo')
      expect(run.reason).toBe('timeout')
      expect(run.counts.duration).toBeLessThan(3000)
      expect(await listed()).toHaveLength(what === 'never yields' ? 3 : 4)
      await sleep(50)
      expect(isLeft).toBe(what !== 'never yields')
    })
  }

  it('yields records of any shape has them rejected, one by one', async () => {
    const shapes = [
      {},
      { ...RECORD, zones: null },
      { ...RECORD, zones: [null] },
      { ...RECORD, zones: [{}] },
      [],
      'text',
      null
    ]
    use(async function* (context) {
      yield shapes.map((record) => garbage({ record, where: () => ({ path: '/', raw: JSON.stringify(record) }) }))
      yield { ...GOOD, record: { ...RECORD, end_date: null as never } }
      context.complete({})
    })
    expect(await service.ingest('demo')).toMatchObject({
      outcome: 'complete',
      counts: { seen: shapes.length + 1, created: 1, rejected: shapes.length, delisted: 3 }
    })
    const { data } = (await service.get('/v1/api/sources/demo/rejects')).body
    expect(data.map((one) => one.reason).sort()).toEqual([
      'base_event_id is missing',
      'base_event_id is missing',
      'it is no record',
      'it is no record',
      'zone[1] is missing',
      'zone[1]/zone_id is missing',
      'zones is missing'
    ])
  })
})
