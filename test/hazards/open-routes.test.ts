import { expect, it } from 'vitest'
import { createApp } from '../helper.ts'
import { recordHazard } from './record.ts'

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

it('nothing can be changed without the token', async ({ task }) => {
  const service = await createApp({ sources: { demo: { url: 'file:nowhere.xml' } } })
  const { paths } = (await service.get('/v1/api/docs/json')).body as unknown as { paths: Record<string, object> }
  let asked = 0
  let open = 0
  let routes = 0
  for (const [path, operations] of Object.entries(paths)) {
    const url = path.replace('{name}', 'demo').replace('{id}', '00000000-0000-5000-8000-000000000000')
    for (const method of METHODS) {
      const isRoute = method.toLowerCase() in operations
      if (isRoute) routes++
      for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
        asked++
        const { statusCode } = await service.app.inject({ method, url, headers })
        if (statusCode !== (isRoute ? 401 : 405)) open++
      }
    }
  }
  await service.close()
  recordHazard(task, {
    hazard: `every mutating route without the token: ${asked} requests, ${routes} routes`,
    expected: '401; 405 where there is none',
    figure: `open routes ${open}`
  })
  expect(routes).toBeGreaterThan(0)
  expect(open).toBe(0)
})
