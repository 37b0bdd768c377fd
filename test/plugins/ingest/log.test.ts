import { expect, it } from 'vitest'
import { HINTS } from '../../../plugins/ingest/reasons.ts'
import { createApp } from '../../helper.ts'
import { event, list, three } from '../../make-feed.ts'
import { startProvider } from '../../provider.ts'
import { createLog } from '../create-log.ts'

it('a run is logged once, with its source, its id, how it ended, and what to do where it did not succeed', async () => {
  const provider = await startProvider()
  const service = await createApp({ sources: { demo: { url: provider.url } } })
  const { app } = service
  const source = app.sources.list[0]!
  async function ingest(document: string) {
    provider.serve(document)
    const { lines, log } = createLog()
    const run = await app.operate(source, (context) => app.ingest.fetch(source, { ...context, log }))
    const about = { source: 'demo', run: run.id, kind: 'fetch', outcome: run.outcome, counts: run.counts }
    return { lines, about }
  }

  const good = await ingest(list(event(1), event(2), event(3, { sold_out: 'perhaps' })))
  expect(good.lines).toMatchObject([
    {
      level: 30,
      ...good.about,
      msg: expect.stringMatching(/succeeded, with 1 rejects: \/v1\/api\/sources\/demo\/rejects$/)
    }
  ])
  const cut = await ingest(three.slice(0, -1))
  expect(cut.lines).toMatchObject([
    {
      level: 40,
      ...cut.about,
      reason: 'truncated',
      hint: HINTS.truncated,
      msg: expect.stringContaining('did not succeed')
    }
  ])

  const adapter = app.adapters.get('provider-xml')!
  app.adapters.set('provider-xml', {
    ...adapter,
    // biome-ignore lint/correctness/useYield: it fails before.
    async *read() {
      throw new TypeError('boom')
    }
  })
  const fault = await ingest(three)
  expect(fault.lines).toMatchObject([
    {
      level: 50,
      source: 'demo',
      run: fault.about.run,
      err: { message: 'boom', stack: expect.stringContaining('at ') }
    },
    { level: 40, ...fault.about, reason: 'internal', hint: HINTS.internal }
  ])
  await service.close()
  await provider.close()
})
