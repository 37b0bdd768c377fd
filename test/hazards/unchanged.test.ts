import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { createApp } from '../helper.ts'
import { writeEvent, writeFeed } from '../provider/feeds.ts'
import { startProvider } from '../provider.ts'
import { isFull, recordHazard } from './record.ts'

it('a run over many events of which a few changed writes those, and no other', { timeout: 600_000 }, async ({
  task
}) => {
  const count = isFull ? 100_000 : 3000
  const changed = [1, count / 2, count]
  const provider = await startProvider()
  const service = await createApp({ sources: { demo: { url: provider.url } } })
  const feed = (version: number) =>
    writeFeed(
      Array.from({ length: count }, (_, i) =>
        writeEvent(i + 1, {}, changed.includes(i + 1) ? `Event ${i + 1}, version ${version}` : undefined)
      )
    )
  provider.serve(feed(1))
  expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { created: count } })
  // The file itself tells of every row that is written, whatever for.
  const db = new DatabaseSync(String((service.app.config.storage as { path: string }).path))
  db.exec('create table written (seq integer)')
  for (const [kind, row] of Object.entries({ insert: 'new', update: 'new', delete: 'old' })) {
    db.exec(`create trigger on_${kind} after ${kind} on events begin insert into written values (${row}.seq); end`)
  }
  const written = () => db.prepare('select count(*) as n from written').get()!.n

  provider.serve(feed(2))
  const run = await service.ingest('demo')
  const afterChange = written()
  provider.serve(`${feed(2)}\n`)
  const again = await service.ingest('demo')
  recordHazard(task, {
    hazard: `${count} events of which ${changed.length} changed, then none`,
    expected: 'event documents written: those that changed',
    figure: `written ${afterChange}, then ${Number(written()) - Number(afterChange)}`
  })
  expect(run).toMatchObject({ counts: { updated: changed.length, unchanged: count - changed.length } })
  expect(again).toMatchObject({ outcome: 'complete', counts: { updated: 0, unchanged: count } })
  expect(afterChange).toBe(changed.length)
  expect(written()).toBe(changed.length)
  db.close()
  await service.close()
  await provider.close()
})
