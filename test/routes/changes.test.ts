import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'
import { writeEvent, writeFeed } from '../provider/feeds.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'

interface Change {
  kind: string
  at: string
  run_id: string
  event_id: string
  fields: { field: string; old: unknown; new: unknown }[]
  event: { id: string; title: string; event_id: string; status: string }
}

describe.each([...DRIVERS.keys()])('%s:', (driver) => {
  describe.skipIf(whyNot(driver))('what changes', () => {
    let service: TestApp
    let folder: string
    let times = 0
    /** Ingests a feed of events with these titles, by their numbers. */
    async function publish(titles: Record<number, string>) {
      const events = Object.entries(titles).map(([number, title]) => writeEvent(Number(number), {}, title))
      await writeFile(join(folder, 'feed.xml'), `${writeFeed(events)}<!-- ${times++} -->`)
      const run = await service.ingest('demo')
      expect(run.outcome).toBe('complete')
      // Of two states within a millisecond none was there at any time.
      await sleep(2)
      return run
    }
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'event-service-'))
      const url = pathToFileURL(join(folder, 'feed.xml')).href
      service = await createApp({ driver, sources: { demo: { url, vanish_guard: false } } })
    })
    afterEach(async () => {
      vi.restoreAllMocks()
      await service.close()
      await rm(folder, { recursive: true })
    })
    const get = async (url: string) => {
      const answer = await service.get(url)
      return { ...answer, data: answer.body.data as unknown as Change[] }
    }
    const byTitle = async (query = '') =>
      (await service.get(`/v1/api/events?sell_mode=any&sort=title&${query}`)).body.data.map(
        ({ title, status }) => `${title} ${status}`
      )

    it('about one event is its history, newest first, by which run, field by field', async () => {
      const runs = [
        await publish({ 1: 'One' }),
        await publish({ 1: 'Uno' }),
        await publish({}),
        await publish({ 1: 'Un' })
      ]
      const { id } = (await service.get('/v1/api/events?sell_mode=any')).body.data[0]!
      const { status, data, body } = await get(`/v1/api/events/${id}/history`)
      expect(status).toBe(200)
      expect(data.map(({ kind, run_id }) => [kind, run_id])).toEqual(
        ['created', 'updated', 'delisted', 'restored'].map((kind, i) => [kind, runs[i]!.id]).reverse()
      )
      const titled = (old: string, now: string) => ({ field: 'title', old, new: now })
      expect(data.map(({ fields }) => fields).reverse()).toEqual([
        [],
        [titled('One', 'Uno')],
        [{ field: 'status', old: 'listed', new: 'delisted' }],
        [titled('Uno', 'Un'), { field: 'status', old: 'delisted', new: 'listed' }]
      ])
      const times = data.map(({ at }) => at)
      expect(times).toEqual(times.toSorted().reverse())
      expect(body.page).toEqual({ limit: 100, next_cursor: null, has_more: false })

      const first = await get(`/v1/api/events/${id}/history?limit=3`)
      const second = await get(`/v1/api/events/${id}/history?limit=3&cursor=${first.body.page.next_cursor}`)
      expect([...first.data, ...second.data]).toEqual(data)
      const none = await get('/v1/api/events/00000000-0000-5000-8000-000000000000/history')
      expect([none.status, none.body.code]).toEqual([404, 'not_found'])
    })

    it('was otherwise before: the list and one event can be asked for as of then', async () => {
      const states: [string, string[]][] = []
      for (const titles of [
        { 1: 'A', 2: 'B' },
        { 1: 'Z', 2: 'B', 3: 'C' },
        { 1: 'Z', 3: 'C' },
        { 2: 'B', 3: 'D' }
      ]) {
        await publish(titles)
        const { body } = await service.get('/v1/api/events?sell_mode=any&sort=-updated&limit=1')
        states.push([body.data[0]!.updated_at, await byTitle()])
      }
      for (const [at, titles] of states) expect([at, await byTitle(`as_of=${at}`)]).toEqual([at, titles])
      const [first] = states[0]!
      const before = new Date(Date.parse(first) - 1).toISOString()
      expect(await byTitle(`as_of=${before}`)).toEqual([])
      expect(await byTitle('as_of=now')).toEqual(states.at(-1)![1])
      expect(await byTitle(`as_of=${first}&q=a`)).toEqual(['A listed'])

      const one = (await service.get('/v1/api/events?sell_mode=any&q=z')).body.data[0]!
      expect((await service.get(`/v1/api/events/${one.id}?as_of=${first}`)).body).toMatchObject({ title: 'A' })
      expect((await service.get(`/v1/api/events/${one.id}?as_of=${before}`)).status).toBe(404)
    })

    it('is a feed, from any time on, that can be asked again for what came since', async () => {
      await publish({ 1: 'A', 2: 'B' })
      const start = await get('/v1/api/changes')
      expect(start.data.map(({ kind, event }) => [kind, event.title])).toEqual([
        ['created', 'A'],
        ['created', 'B']
      ])
      expect(start.body.page.has_more).toBe(false)
      const cursor = start.body.page.next_cursor
      expect((await get(`/v1/api/changes?cursor=${cursor}`)).data).toEqual([])

      await publish({ 1: 'Z', 3: 'C' })
      const since = await get(`/v1/api/changes?cursor=${cursor}`)
      expect(since.data.map(({ kind, event }) => `${kind} ${event.title}`).sort()).toEqual([
        'created C',
        'delisted B',
        'updated Z'
      ])
      expect(since.data.find(({ kind }) => kind === 'updated')!.fields).toEqual([
        { field: 'title', old: 'A', new: 'Z' }
      ])
      const { at } = since.data[0]!
      expect((await get(`/v1/api/changes?since=${at}`)).data).toEqual(since.data.filter((change) => change.at >= at))

      const all: Change[] = []
      let url = '/v1/api/changes?limit=2'
      for (let more = true; more; ) {
        const { data, body } = await get(url)
        expect(data.length).toBeLessThanOrEqual(2)
        all.push(...data)
        more = body.page.has_more
        url = `/v1/api/changes?limit=2&cursor=${body.page.next_cursor}`
      }
      expect(all).toEqual([...start.data, ...since.data])
      expect((await get('/v1/api/changes?since=yesterday')).body).toMatchObject({ status: 400, parameter: 'since' })
      expect((await get('/v1/api/changes?cursor=abc')).body).toMatchObject({ status: 400, parameter: 'cursor' })
    })

    it('is not told in part: who comes back after some of it was deleted is told so, also before a stream', async () => {
      await publish({ 1: 'A' })
      const early = (await get('/v1/api/changes')).body.page.next_cursor
      await publish({ 1: 'B' })
      await publish({ 1: 'C' })
      const { at } = (await get('/v1/api/changes')).data.at(-1)!
      const historySince = new Date(Date.parse(at) + 1).toISOString()
      await service.app.storage.prune({ runs: 9, historySince })
      const stream = { accept: 'text/event-stream' }
      const asks = [{}, stream, { ...stream, 'last-event-id': early! }].map((headers, i) => ({
        url: `/v1/api/changes${i === 2 ? '' : `?cursor=${early}`}`,
        headers
      }))
      for (const ask of asks) {
        const answer = await service.app.inject(ask)
        expect(answer.headers['content-type']).toMatch('application/problem+json')
        expect(answer.json()).toMatchObject({
          status: 410,
          code: 'forgotten',
          detail: expect.stringMatching(historySince)
        })
      }
      expect((await get('/v1/api/changes?since=-1d')).data.map(({ event }) => event.title)).toEqual(['C'])
    })

    it('comes as server-sent events while it happens, and goes on after the last one', async () => {
      await publish({ 1: 'A' })
      const origin = await service.app.listen({ port: 0, host: '127.0.0.1' })
      const listen = async (headers: Record<string, string> = {}, query = '') => {
        const stop = new AbortController()
        const response = await fetch(`${origin}/v1/api/changes${query}`, {
          headers: { accept: 'text/event-stream', ...headers },
          signal: stop.signal
        })
        expect([response.status, response.headers.get('content-type')]).toEqual([
          200,
          'text/event-stream; charset=utf-8'
        ])
        const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
        let text = ''
        /** The next so many changes. */
        const read = async (count: number) => {
          while (text.split('\n\n').filter((message) => message.startsWith('id: ')).length < count) {
            const { done, value } = await reader.read()
            if (done) throw new Error(`it ended: ${text}`)
            text += value
          }
          const messages = text.split('\n\n').filter((message) => message.startsWith('id: '))
          text = ''
          return messages.map((message) => {
            const [, id, data] = /^id: (.+)\nevent: change\ndata: (.+)$/.exec(message)!
            const change = JSON.parse(data!) as Change
            return { id: id!, told: `${change.kind} ${change.event.title}` }
          })
        }
        return { read, close: () => stop.abort() }
      }
      const now = await listen()
      const all = await listen({}, '?since=-1d')
      expect((await all.read(1)).map(({ told }) => told)).toEqual(['created A'])
      await sleep(700)
      await publish({ 1: 'B' })
      const [first] = await now.read(1)
      expect(first!.told).toBe('updated B')
      expect((await all.read(1)).map(({ told }) => told)).toEqual(['updated B'])
      now.close()
      await publish({ 1: 'C', 2: 'D' })
      const again = await listen({ 'last-event-id': first!.id })
      expect((await again.read(2)).map(({ told }) => told).sort()).toEqual(['created D', 'updated C'])
      const wrong = await fetch(`${origin}/v1/api/changes`, {
        headers: { accept: 'text/event-stream', 'last-event-id': 'x' }
      })
      expect([wrong.status, ((await wrong.json()) as { parameter: string }).parameter]).toEqual([400, 'Last-Event-ID'])
      // It ends with the service, at once.
      const ended = again.read(1).catch((error: Error) => error.message)
      service.app.ending.abort()
      expect(await ended).toMatch(/^it ended/)
      all.close()
    })
  })
})
