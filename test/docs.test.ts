import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProgram } from './find-program.ts'
import { createApp, type TestApp } from './helper.ts'

interface Parameter {
  name: string
  in: string
  required: boolean
  description?: string
  example?: string
}
interface Operation {
  operationId?: string
  summary?: string
  parameters?: Parameter[]
  responses: Record<string, { description: string }>
}

let service: TestApp
beforeAll(async () => {
  const url = new URL('../samples/events.xml', import.meta.url).href
  service = await createApp({ sources: { demo: { url, timezone: 'Europe/Madrid' } } })
  await service.ingest('demo')
})
afterAll(() => service.close())

describe('OpenAPI', () => {
  let document: { openapi: string; paths: Record<string, Record<string, Operation>> }
  beforeAll(async () => {
    document = (await service.get('/v1/api/docs/json')).body as unknown as typeof document
  })

  it('is 3.1 and has every route that is for others', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(Object.keys(document.paths).sort()).toEqual([
      '/livez',
      '/metrics',
      '/readyz',
      '/v1/api/changes',
      '/v1/api/events',
      '/v1/api/events.atom',
      '/v1/api/events.csv',
      '/v1/api/events.ics',
      '/v1/api/events.ndjson',
      '/v1/api/events/{id}',
      '/v1/api/events/{id}/history',
      '/v1/api/sources',
      '/v1/api/sources/{name}',
      '/v1/api/sources/{name}/commands',
      '/v1/api/sources/{name}/commands/{id}',
      '/v1/api/sources/{name}/confirm',
      '/v1/api/sources/{name}/pause',
      '/v1/api/sources/{name}/rejects',
      '/v1/api/sources/{name}/rejects/redrive',
      '/v1/api/sources/{name}/resume',
      '/v1/api/sources/{name}/runs',
      '/v1/api/sources/{name}/runs/{id}'
    ])
  })

  it('describes every operation, parameter and answer', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation.operationId, path).toBeTruthy()
        expect(operation.summary, path).toBeTruthy()
        for (const parameter of operation.parameters ?? []) {
          expect(parameter.description, `${path} ${parameter.name}`).toBeTruthy()
          expect(parameter.required, `${path} ${parameter.name}`).toBe(parameter.in === 'path')
        }
        for (const [status, { description }] of Object.entries(operation.responses)) {
          expect(description, `${path} ${status}`).not.toBe('Default Response')
        }
      }
    }
  })

  it('has examples that find events of the samples', async () => {
    const examples = document.paths['/v1/api/events']!.get!.parameters!.filter(({ example }) => example !== undefined)
    expect(examples.map(({ name }) => name)).toEqual(['start_date', 'end_date', 'source'])
    const query = new URLSearchParams(examples.map(({ name, example }): [string, string] => [name, example!]))
    expect((await service.get(`/v1/api/events?${query}`)).body.data).toHaveLength(3)
    for (const kind of ['', '/runs', '/rejects']) {
      const name = document.paths[`/v1/api/sources/{name}${kind}`]!.get!.parameters!.find(
        (one) => one.name === 'name'
      )!.example
      expect((await service.get(`/v1/api/sources/${name}${kind}`)).status).toBe(200)
    }
  })

  it('is where the front page leads', async () => {
    const { status, headers } = await service.get('/')
    expect([status, headers.location]).toEqual([302, '/v1/api/docs/ui'])
  })
})

const CHROMIUM = findProgram(['chromium', 'chromium-browser', 'google-chrome'], 'The page in a browser IS')

describe.skipIf(CHROMIUM === undefined)('Swagger UI in Chromium', () => {
  let browser: Browser
  let origin: string
  beforeAll(async () => {
    origin = await service.app.listen({ host: '127.0.0.1', port: 0 })
    browser = await chromium.launch({
      executablePath: CHROMIUM!,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync'
      ]
    })
  })
  afterAll(() => browser?.close())

  it('executes a request, under our own policy, with no error and no request to anywhere else', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } })
    const complaints: string[] = []
    const requests: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => requests.push(request.url()))

    const response = await page.goto(`${origin}/`)
    expect(page.url()).toBe(`${origin}/v1/api/docs/ui`)
    const policy = response!.headers()['content-security-policy']
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).not.toContain('upgrade-insecure-requests')

    const operation = page.locator('#operations-events-listEvents')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    const answer = operation.locator('.live-responses-table')
    await answer.locator('.response-col_status', { hasText: '200' }).first().waitFor()
    await expect.poll(() => answer.innerText()).toContain('Camela en concierto')
    if (process.env.EVENTS_TEST_SCREENSHOT) {
      await page.screenshot({ path: process.env.EVENTS_TEST_SCREENSHOT, fullPage: true })
    }

    expect(complaints).toEqual([])
    expect(requests.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))).toEqual([])
    expect(requests).toContainEqual(expect.stringContaining('/v1/api/events?start_date=2021-02-01T00%3A00%3A00'))
  })
})
