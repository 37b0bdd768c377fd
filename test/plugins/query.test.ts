import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

let service: TestApp
beforeAll(async () => {
  service = await createApp()
})
afterAll(() => service.close())

it.each([
  ['limit=3&q=%ff', 'q', 'q cannot be decoded.'],
  ['q=caf%C3%A9&zone=%C3%28&limit=3', 'zone', 'zone cannot be decoded.'],
  ['limit=3&%C3%A9=%', 'é', 'é cannot be decoded.'],
  ['%ff=1&limit=3', 'a parameter', 'a parameter cannot be decoded.'],
  [`${'a'.repeat(200)}=%`, 'a'.repeat(100), `${'a'.repeat(100)} cannot be decoded.`]
])('%s is refused by the name of what is wrong', async (query, parameter, detail) => {
  const { status, body } = await service.get(`/v1/api/events?${query}`)
  expect([status, body]).toMatchObject([400, { parameter, detail, allowed: 'percent-encoded UTF-8' }])
})

it('where there is no route, no query is wrong', async () => {
  expect((await service.get('/nothing?q=%ff')).status).toBe(404)
  expect((await service.get('/nothing?text=1&text=2')).status).toBe(404)
})
