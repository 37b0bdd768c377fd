import { afterEach, expect, it } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

let service: TestApp | undefined
afterEach(() => service?.close())

it('/readyz says what it looked at', async () => {
  service = await createApp()
  expect(await service.get('/readyz')).toMatchObject({ status: 200, body: { status: 'ok', checks: { storage: 'ok' } } })
})

it('/readyz asks whether who ingests for this process is alive, and says why not', async () => {
  let found = 'alive'
  service = await createApp({ ingest: () => found })
  expect((await service.get('/readyz')).body).toEqual({ status: 'ok', checks: { storage: 'ok', ingest: 'ok' } })
  found = 'its thread ended and is started again'
  const { status, headers, body } = await service.get('/readyz')
  expect([status, headers['retry-after'], headers['content-type']]).toEqual([
    503,
    '5',
    'application/problem+json; charset=utf-8'
  ])
  expect(body).toMatchObject({
    code: 'not_ready',
    detail: 'ingest: its thread ended and is started again',
    checks: { storage: 'ok', ingest: 'its thread ended and is started again' }
  })
  expect((await service.get('/livez')).status).toBe(200)
})
