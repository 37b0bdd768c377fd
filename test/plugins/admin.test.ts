import { afterEach, describe, expect, it } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

describe('whatever changes something', () => {
  let service: TestApp
  afterEach(() => service.close())
  async function start(token?: string) {
    service = await createApp({
      sources: { demo: { url: 'file:nowhere.xml' } },
      ...(token === undefined ? {} : { server: { admin_token: token } })
    })
  }
  /** Of all routes that the API documents. */
  async function mutatingRoutes() {
    const { paths } = (await service.get('/v1/api/docs/json')).body as unknown as { paths: Record<string, object> }
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => !['get', 'head'].includes(method))
        .map((method) => ({ method: method.toUpperCase() as 'POST', url: path.replace('{name}', 'demo') }))
    )
  }

  it('is refused without the right token, and says which scheme it wants', async () => {
    await start()
    const routes = await mutatingRoutes()
    expect(routes.map(({ url }) => url).sort()).toEqual([
      '/v1/api/sources/demo/confirm',
      '/v1/api/sources/demo/pause',
      '/v1/api/sources/demo/rejects/redrive',
      '/v1/api/sources/demo/resume',
      '/v1/api/sources/demo/runs'
    ])
    const wrong = [
      '',
      'Bearer',
      'Bearer wrong',
      'Basic dG9rZW4tb2YtdGhlLXRlc3Rz',
      'token-of-the-tests',
      'Bearer token-of-the-test'
    ]
    for (const route of routes) {
      for (const authorization of [undefined, ...wrong]) {
        const response = await service.app.inject({
          ...route,
          headers: authorization === undefined ? {} : { authorization }
        })
        expect(response.statusCode, `${route.url} with ${authorization}`).toBe(401)
        expect(response.headers['www-authenticate']).toContain('Bearer')
        expect(response.headers['content-type']).toContain('application/problem+json')
        expect(response.json()).toMatchObject({
          code: 'unauthorized',
          detail: expect.stringContaining('Authorization: Bearer')
        })
      }
    }
  })

  it('is refused altogether where no token is configured, and says how to configure one', async () => {
    await start('')
    for (const route of await mutatingRoutes()) {
      for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer x' }]) {
        const response = await service.app.inject({ ...route, headers })
        expect(response.statusCode, route.url).toBe(403)
        expect(response.json()).toMatchObject({
          code: 'admin_disabled',
          detail: expect.stringContaining('admin_token')
        })
      }
    }
  })

  it('is done with the token; reading takes none', async () => {
    await start()
    expect((await service.get('/v1/api/sources')).status).toBe(200)
    expect((await service.post('/v1/api/sources/demo/rejects/redrive')).status).toBe(200)
    expect(await service.post('/v1/api/sources/demo/confirm')).toMatchObject({ status: 409 })
    expect(await service.post('/v1/api/sources/nobody/confirm')).toMatchObject({ status: 404 })
    expect(await service.post('/v1/api/sources/demo/confirm?now=1')).toMatchObject({ status: 400 })
    expect(await service.post('/v1/api/events', '')).toMatchObject({ status: 405 })
  })

  it('waits for a run of the source, and gives up where that takes too long', async () => {
    await start()
    const { storage } = service.app
    const lease = (await storage.takeLease('source:demo', 'somebody else', 60_000))!
    const waiting = service.post('/v1/api/sources/demo/rejects/redrive')
    await storage.releaseLease(lease)
    expect(await waiting).toMatchObject({ status: 200 })
    await storage.takeLease('source:demo', 'somebody else', 60_000)
    const source = service.app.sources.list[0]!
    const work = () => Promise.resolve('done')
    await expect(service.app.operate(source, work, { patienceMs: 50 })).rejects.toMatchObject({
      code: 'EVT_SOURCE_BUSY'
    })
  })

  it('that waits when the service stops is told to try again', async () => {
    await start()
    await service.app.storage.takeLease('source:demo', 'somebody else', 60_000)
    const waiting = service.app.operate(service.app.sources.list[0]!, () => Promise.resolve('done'))
    const expected = expect(waiting).rejects.toMatchObject({ code: 'EVT_SOURCE_BUSY', statusCode: 409 })
    await service.app.close()
    await expected
  })
})
