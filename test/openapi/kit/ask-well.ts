import { readFile, writeFile } from 'node:fs/promises'
import type { TestApp } from '../../helper.ts'
import { writeEvent } from '../../provider/feeds.ts'
import type { ExampleRecord } from './record.ts'
import { leap } from './states.ts'

export const LIST = '/v1/api/events?start_date=2021-02-01T00:00:00&end_date=2021-07-31T23:59:59&limit=1'
/** More than one waits who asks for something to be done, and less than anybody waits for an answer. */
const LONG_MS = 11_000

/** A source whose feed changes: what there is to read. */
export async function askForReading(service: TestApp, { ask }: ExampleRecord, feed: string): Promise<void> {
  const { app } = service
  await service.ingest('demo')
  const changed = (await readFile(feed, 'utf8'))
    .replace('Los Morancos', 'Los Morancos en directo')
    .replace('</base_event>', `<event ${IMPOSSIBLE}/></base_event>`)
  await writeFile(feed, changed)
  const run = await service.ingest('demo')
  const [event] = await service.events('q=morancos')

  await ask(app, 200, 'live', { operation: 'isLive', url: '/livez' })
  await ask(app, 200, 'ready', { operation: 'isReady', url: '/readyz' })
  await ask(app, 200, 'page', { operation: 'listEvents', url: LIST })
  const some = '/v1/api/events?fields=id,title,starts_at&count=true&limit=2'
  await ask(app, 200, 'fields', { operation: 'listEvents', url: some })
  for (const extension of ['Ics', 'Ndjson', 'Csv', 'Atom']) {
    const url = `/v1/api/events.${extension.toLowerCase()}?q=pantomima`
    await ask(app, 200, 'events', { operation: `exportEvents${extension}`, url })
  }
  await ask(app, 200, 'event', { operation: 'getEvent', url: `/v1/api/events/${event!.id}` })
  const history = `/v1/api/events/${event!.id}/history?limit=1`
  await ask(app, 200, 'page', { operation: 'getEventHistory', url: history })
  await ask(app, 200, 'page', { operation: 'listChanges', url: '/v1/api/changes?limit=1' })
  const changes = '/v1/api/changes?since=-1h'
  await ask(app, 200, 'first_of_stream', {
    operation: 'listChanges',
    url: changes,
    headers: { accept: 'text/event-stream' }
  })
  await ask(app, 200, 'all', { operation: 'listSources', url: '/v1/api/sources' })
  await ask(app, 200, 'source', { operation: 'getSource', url: '/v1/api/sources/demo' })
  await ask(app, 200, 'page', { operation: 'listRuns', url: '/v1/api/sources/demo/runs?limit=1' })
  await ask(app, 200, 'page', { operation: 'listRejects', url: '/v1/api/sources/demo/rejects?limit=1' })
  await ask(app, 200, 'run', { operation: 'getRun', url: `/v1/api/sources/demo/runs/${run.id}` })
  await ask(app, 200, 'first_of_all', { operation: 'getMetrics', url: '/metrics' })
}

/** There are 30 days in September. */
const IMPOSSIBLE =
  'event_start_date="2021-09-31T20:00:00" event_end_date="2021-09-31T21:00:00" event_id="1643" ' +
  'sell_from="2021-06-26T00:00:00" sell_to="2021-09-30T19:50:00" sold_out="false"'

/** What an operator can do with it. */
export async function askForActions(service: TestApp, { ask }: ExampleRecord, feed: string): Promise<void> {
  const { app } = service
  const post = { method: 'POST' } as const
  const at = (action: string) => `/v1/api/sources/demo/${action}`
  const runs = { ...post, operation: 'runSource', url: at('runs') }
  const dryRun = { ...runs, url: `${at('runs')}?dry_run=true` }
  const confirm = { ...post, operation: 'confirmSource', url: at('confirm') }
  const redrive = { ...post, operation: 'redriveRejects', url: at('rejects/redrive') }

  await ask(app, 200, 'paused', { ...post, operation: 'pauseSource', url: at('pause') })
  await ask(app, 409, 'source_paused', runs)
  await ask(app, 409, 'source_disabled', { ...runs, url: '/v1/api/sources/demo-2019/runs' })
  await ask(app, 200, 'resumed', { ...post, operation: 'resumeSource', url: at('resume') })
  await ask(app, 409, 'nothing_to_confirm', confirm)
  await ask(app, 200, 'run', redrive)

  const now = await readFile(feed, 'utf8')
  await writeFile(feed, now.replace('sold_out="false"', 'sold_out="true"'))
  const { id } = await ask(app, 200, 'dry_run', dryRun)
  await ask(app, 200, 'dry_run', { operation: 'getCommand', url: at(`commands/${id}`) })
  await ask(app, 200, 'page', { operation: 'listCommands', url: `${at('commands')}?limit=1` })

  const more = Array.from({ length: 6 }, (_, i) => writeEvent(i + 1)).join('')
  async function loseMany() {
    await writeFile(feed, now.replace('</output>', `${more}</output>`))
    await service.ingest('demo')
    await writeFile(feed, now)
    await service.ingest('demo')
  }
  await loseMany()
  await ask(app, 200, 'suspicious', { operation: 'getSource', url: '/v1/api/sources/demo' })
  await ask(app, 200, 'run', confirm)

  await loseMany()
  // Nobody does what is asked for from here on.
  app.scheduler.stop()
  await ask(app, 202, 'run', runs)
  await leap(LONG_MS, () => ask(app, 202, 'dry_run', dryRun))
  await leap(LONG_MS, () => ask(app, 202, 'run', confirm))
  await leap(LONG_MS, () => ask(app, 202, 'run', redrive))
}
