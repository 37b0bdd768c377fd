import { expect, it } from 'vitest'
import { writeFeed } from '../provider/feeds.ts'
import { startListed } from './listed.ts'
import { recordHazard } from './record.ts'

it('a feed that is well-formed and lacks most of its events delists nothing, and raises one alert', async ({
  task
}) => {
  const figures = { snapshots: 0, suspicious: 0, delisted: 0, lost: 0, alerts: 0 }
  for (const left of [0, 1, 4]) {
    await using listed = await startListed()
    const { provider, service } = listed
    provider.serve(writeFeed(left))
    const run = await service.ingest('demo')
    figures.snapshots++
    if (run.outcome === 'suspicious') figures.suspicious++
    figures.delisted += run.counts.delisted
    figures.lost += await listed.countLost()
    const metrics = String((await service.get('/metrics')).body)
    figures.alerts += Number(/event_service_source_suspicious\{source="demo"\} (\d+)/.exec(metrics)?.[1])
    expect(run).toMatchObject({ reason: 'vanished', detail: expect.stringContaining(`lacks ${10 - left} of 10`) })
  }
  recordHazard(task, {
    hazard: 'well-formed feed with 0, 1 or under half of the events',
    expected: 'suspicious; withheld',
    figure: `suspicious ${figures.suspicious} of ${figures.snapshots}, delisted ${figures.delisted}, alerts ${figures.alerts} of ${figures.snapshots}`
  })
  expect(figures).toEqual({ snapshots: 3, suspicious: 3, delisted: 0, lost: 0, alerts: 3 })
})
