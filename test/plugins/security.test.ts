import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

const url = new URL('../feeds/v2-snapshot-1.xml', import.meta.url).href
const POLICY = "default-src 'none'; frame-ancestors 'none'"

let service: TestApp
afterEach(() => service.close())

it.each([16, 0])('every answer says that it is data and nothing else; %i MB of pages in memory', async (cache_mb) => {
  service = await createApp({ sources: { demo: { url } }, server: { cache_mb, cors_origins: '' } })
  await service.ingest('demo')
  const { id } = (await service.events())[0]!
  const paths = ['', '?limit=1', '?fields=id', '.csv', '.ics', `/${id}`, `/${id}/history`].map(
    (path) => `/v1/api/events${path}`
  )
  const failing = ['/v1/api/events?limit=x', '/v1/api/events?q=%ff', '/nothing?q=%ff', '/%ff', '/v1/api/events/no']
  const others = ['/', '/livez', '/readyz', '/metrics', '/v1/api/changes', '/v1/api/sources', '/v1/api/docs/json']
  const requests = [...paths, ...paths, ...failing, ...others].flatMap((path) =>
    (['GET', 'HEAD', 'POST', 'OPTIONS'] as const).map((method) => ({ method, url: path }))
  )
  const tag = String((await service.app.inject(paths[0]!)).headers.etag)
  const conditional = paths.map((path) => ({ url: path, headers: { 'if-none-match': `*, ${tag}` } }))
  for (const request of [...requests, ...conditional]) {
    const { headers } = await service.app.inject(request)
    expect([request, headers['content-security-policy'], headers['x-content-type-options']]).toEqual([
      request,
      POLICY,
      'nosniff'
    ])
  }
})

it('so does that to what is no request', async () => {
  service = await createApp()
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const client = connect((service.app.server.address() as AddressInfo).port, '127.0.0.1')
  client.write('no request\r\n\r\n')
  const [answer] = await once(client, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /)
  expect(String(answer)).toContain(`content-security-policy: ${POLICY}\r\nx-content-type-options: nosniff\r\n`)
  client.destroy()
})
