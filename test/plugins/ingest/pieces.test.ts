import { beforeEach, describe, expect, it } from 'vitest'
import type { SourceAdapter } from '../../../adapters/kit/contract.ts'
import { createRandom, type Random } from '../../../bench/kit/random.ts'
import { isFull, recordHazard } from '../../hazards/record.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { event, list } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'

/** A base element with events; what `twist` names is unusual about it. */
function writeBase(base: number, version: number, random: Random): string {
  const events = Array.from({ length: random(3) + (random(8) === 0 ? 0 : 1) }, (_, i) => {
    // Some identities stand under several bases' numbers or several times under one.
    const id = random(25) === 0 ? 0 : i
    const date = random(25) === 0 ? '2030-02-30' : `2030-05-0${1 + random(9)}`
    const quote = random(25) === 0 ? "'" : '"'
    return `<event event_start_date="${date}T20:00:00" event_id=${quote}${id}${quote} sell_from="2029-01-01T00:00:00"
      sell_to="2030-01-01T00:00:00" sold_out="false"><zone zone_id="1" capacity="${version}" price="1" name="A" numbered="true"/></event>`
  })
  const odd = ['', '', '', '<!-- </base_event> -->', '<![CDATA[</base_event>]]>', '<base_event base_event_id="9"/>'][
    random(6)
  ]
  return `<base_event base_event_id="${base}" sell_mode="online" title="Base ${base} &amp; &#49;">${odd}${events.join('\n')}</base_event>`
}

/** Another version of the feed: bases changed, moved, doubled, left out, commented out. */
function vary(bases: string[], version: number, random: Random): string[] {
  const next = bases.flatMap((base, i) => {
    switch (random(40)) {
      case 0:
        return [writeBase(i % 12, version, random)]
      case 1:
        return []
      case 2:
        return [base, base]
      case 3:
        return [`<!-- ${base.replaceAll('--', '')} -->`]
      case 4:
        return [base.replace('title="Base', 'title="Changed')]
      case 5:
        return [`<other>${base}</other>`]
      default:
        return [base]
    }
  })
  if (random(4) === 0) next.push(writeBase(random(12), version, random))
  if (random(4) === 0) next.reverse()
  return next
}

const write = (bases: string[], random: Random) => {
  const document = `<?xml version="1.0"?>\n<eventList><output>\n${bases.join('\n   ')}\n</output></eventList>${' '.repeat(random(3))}`
  const cut = random(10) === 0 ? random(document.length) : document.length
  return random(12) === 0 ? document.replace('</event>', '</evnt>') : document.slice(0, cut)
}

/** What the store has, but for times and runs. */
async function contents(service: TestApp) {
  const events = (await service.events()).map(({ first_seen_at, updated_at, delisted_at, ...event }) => ({
    ...event,
    isDelisted: delisted_at !== null
  }))
  const rejects = (await service.get('/v1/api/sources/demo/rejects?limit=1000')).body.data
  return { events, rejects: rejects.map((one) => `${one.reason} ${one.path} ${one.count}`).sort() }
}

describe('what is known word for word', () => {
  const sequences = isFull ? 300 : 15

  it('is passed over with the same result as if it was read', { timeout: 600_000 }, async ({ task }) => {
    const provider = await startProvider()
    const differences: unknown[] = []
    let met = 0
    let passed = 0
    for (let seed = 1; seed <= sequences; seed++) {
      const random = createRandom(seed)
      const keys = { url: provider.url, vanish_guard: false }
      const [passing, reading] = [
        await createApp({ sources: { demo: keys } }),
        await createApp({ sources: { demo: keys } })
      ]
      const sound = reading.app.adapters.get('provider-xml')!
      const adapter: SourceAdapter = {
        ...sound,
        read: ({ pieces: _pieces, ...context }) => sound.read(context)
      }
      reading.app.adapters.set('provider-xml', adapter)
      const { storage } = passing.app
      const findPieces = storage.findPieces
      storage.findPieces = async (run, pieces) => {
        const found = await findPieces(run, pieces)
        passed += found.filter((numbers) => numbers !== null).length
        return found
      }
      let bases = Array.from({ length: 12 }, (_, i) => writeBase(i, 0, random))
      for (let version = 1; version <= 8; version++) {
        const document = write(bases, random)
        provider.serve(document)
        const runs = [await passing.ingest('demo'), await reading.ingest('demo')]
        const [ours, theirs] = runs.map(({ outcome, reason, detail, counts }) => {
          // Of an event that stands there twice it depends on the batches whether its change or its repetition is counted.
          const { duration, updated, unchanged, duplicates, ...rest } = counts
          return { outcome, reason, detail, ...rest, met: updated + unchanged + duplicates }
        })
        met += ours!.met
        const stores = [await contents(passing), await contents(reading)]
        if (JSON.stringify([ours, stores[0]]) !== JSON.stringify([theirs, stores[1]])) {
          const lines = ([ours, theirs] as object[]).map((one, i) => [
            JSON.stringify(one),
            ...stores[i]!.events.map((event) => JSON.stringify(event)),
            ...stores[i]!.rejects
          ])
          const only = (a: string[], b: string[]) => a.filter((line) => !b.includes(line))
          differences.push({ seed, version, passing: only(lines[0]!, lines[1]!), reading: only(lines[1]!, lines[0]!) })
          break
        }
        bases = vary(bases, version, random)
      }
      await passing.close()
      await reading.close()
    }
    await provider.close()
    recordHazard(task, {
      hazard: `changing, doubled, moved, commented out and cut parts of ${sequences} × 8 feeds, known ones passed over`,
      expected: 'as if all of it was read',
      figure: `differences ${differences.length}, passed over ${passed} of them`
    })
    expect(differences.slice(0, 1)).toEqual([])
    expect(passed).toBeGreaterThan(sequences * 10)
    expect(met).toBeGreaterThan(sequences * 10)
  })

  for (const driver of DRIVERS.keys()) {
    describe.skipIf(whyNot(driver) !== undefined)(`on ${driver}`, () => {
      let provider: Provider
      let service: TestApp
      beforeEach(async () => {
        provider = await startProvider()
        service = await createApp({ driver, sources: { demo: { url: provider.url } } })
        return async () => {
          await service.close()
          await provider.close()
        }
      })

      const base = (title: string) => event(1).replace('Event 1', title)
      const titles = async () => (await service.events()).map((one) => one.title)

      it('is what the last of several said, not the first', async () => {
        // With a tab there it is not cut out of the document.
        provider.serve(list(base('first'), base('last').replace('<base_event ', '<base_event\t')))
        await service.ingest('demo')
        expect(await titles()).toEqual(['last'])
        provider.serve(list(base('first')))
        await service.ingest('demo')
        expect(await titles()).toEqual(['first'])
      })

      it('is read where the same event stood before it in another form', async () => {
        provider.serve(list(base('known')))
        await service.ingest('demo')
        provider.serve(list(base('before').replace('event_id="1"', "event_id='1'"), base('known')))
        await service.ingest('demo')
        expect(await titles()).toEqual(['known'])
      })

      it('is nothing in a document of another dialect', async () => {
        provider.serve(list(base('known')))
        await service.ingest('demo')
        provider.serve(`<planList><output>${base('known')}</output></planList>`)
        expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { seen: 0, delisted: 1 } })
      })

      it('costs no change, and is read again after the settings changed', async () => {
        const random = createRandom(7)
        const bases = Array.from({ length: 40 }, (_, i) => writeBase(i, 0, random))
        provider.serve(write(bases, () => 1))
        const first = await service.ingest('demo')
        expect(first).toMatchObject({ outcome: 'complete' })
        const { revision } = (await service.get('/v1/api/events')).body.meta
        provider.serve(`${write(bases, () => 1)}\n`)
        const { created, duplicates } = first.counts
        expect(await service.ingest('demo')).toMatchObject({
          outcome: 'complete',
          counts: { created: 0, updated: 0, unchanged: created, duplicates, delisted: 0 }
        })
        expect((await service.get('/v1/api/events')).body.meta.revision).toBe(revision)
        Object.assign(service.app.sources.list[0]!, { timezone: 'Asia/Tokyo' })
        expect(await service.ingest('demo')).toMatchObject({ counts: { updated: created } })
      })
    })
  }
})
