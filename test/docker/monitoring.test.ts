import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProgram } from '../find-program.ts'
import { createApp } from '../helper.ts'
import { type Dashboard, metricsOf, queriesOf, readDashboard } from './dashboard.ts'

const FOLDER = fileURLToPath(new URL('../../docker/monitoring/', import.meta.url))
const read = (name: string) => readFile(join(FOLDER, name), 'utf8')

/** What Prometheus says itself. */
const OWN = ['up', 'ALERTS']

let dashboard: Dashboard
let alerts: { name: string; expr: string; text: string }[]
beforeAll(async () => {
  dashboard = await readDashboard()
  const rules = (await read('alerts.yml')).split(/^ +- alert: /m).slice(1)
  alerts = rules.map((text) => {
    const [name] = text.split('\n')
    const [, expr] = /expr:(?: >-)?\s(.*?)\n {8}(?:for|labels):/s.exec(text)!
    return { name: name!, expr: expr!, text }
  })
  expect(alerts.length).toBeGreaterThan(10)
})

describe('the metrics that are asked for', () => {
  let real: Map<string, string>
  beforeAll(async () => {
    // One has its metric only where there is a receiver.
    const service = await createApp({ alerts: { url: 'http://127.0.0.1:9/', secret: 'a-secret-of-the-tests' } })
    const text = String((await service.get('/metrics')).body)
    await service.close()
    real = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]))
    expect(real.size).toBeGreaterThan(0)
  })

  it('are those of /metrics, on the dashboard and in the alerts', () => {
    const known = new Set(OWN)
    for (const [name, type] of real) {
      for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) known.add(name + suffix)
    }
    for (const { title, expr } of [
      ...queriesOf(dashboard),
      ...alerts.map(({ name, expr }) => ({ title: name, expr }))
    ]) {
      const names = metricsOf(expr)
      expect(names.length, title).toBeGreaterThan(0)
      expect(
        names.filter((name) => !known.has(name)),
        title
      ).toEqual([])
    }
  })

  it('are all of the service, on the dashboard', () => {
    const shown = queriesOf(dashboard).flatMap(({ expr }) => metricsOf(expr))
    const ours = [...real.keys()].filter((name) => name.startsWith('event_service_'))
    expect(ours.filter((name) => !shown.some((one) => one.replace(/_(bucket|sum|count)$/, '') === name))).toEqual([])
  })
})

describe('the dashboard', () => {
  it('has panels of one id each, that say what they show and do not overlap', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = new Set<string>()
    for (const { title, type, description, gridPos } of panels) {
      if (type !== 'row') expect(description, title).toBeTruthy()
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x} ${y}`), `${title} at ${x}, ${y}`).toBe(false)
          cells.add(`${x} ${y}`)
        }
      }
    }
  })

  it('asks the data source that is provisioned', async () => {
    const [, uid] = /uid: (\w+)/.exec(await read('grafana/datasource.yml'))!
    const uids = dashboard.panels.flatMap(({ datasource, targets = [] }) => [
      datasource?.uid ?? uid,
      ...targets.map((target) => target.datasource.uid)
    ])
    uids.push(...dashboard.templating.list.map(({ datasource }) => datasource.uid))
    expect(new Set(uids)).toEqual(new Set([uid]))
  })
})

it('each alert says what is wrong and what to do, and is tested both ways', async () => {
  const tests = (await read('alerts.test.yml')).split(/^ {2}- name: /m).slice(1)
  for (const { name, text } of alerts) {
    expect(text, name).toMatch(/ {10}summary: .+\n {10}description: ./)
    expect(text, name).toMatch(/labels: \{ severity: (warning|critical) \}/)
    const own = tests.filter((test) => test.includes(`alertname="${name}"`))
    expect(
      own.some((test) => test.includes('value: 1')),
      `${name} fires`
    ).toBe(true)
    expect(
      own.some((test) => test.includes('exp_samples: []')),
      `${name} is silent`
    ).toBe(true)
  }
})

const PROMTOOL = findProgram(['promtool'], "Prometheus' configuration, alerts and the dashboard's queries ARE")

describe.skipIf(PROMTOOL === undefined)('promtool', () => {
  const promtool = (...args: string[]) => promisify(execFile)(PROMTOOL!, args, { cwd: FOLDER })
  let scratch: string
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'event-service-'))
  })
  afterAll(() => rm(scratch, { recursive: true }))

  it('accepts the configuration and the alerts', async () => {
    expect((await promtool('check', 'config', 'prometheus.yml')).stdout).toContain(`SUCCESS: ${alerts.length} rules`)
  })

  it('sees every alert fire when it should, and only then', async () => {
    expect((await promtool('test', 'rules', 'alerts.test.yml')).stdout).toContain('SUCCESS')
  })

  it('can read every query of the dashboard', async () => {
    const queries = queriesOf(dashboard)
    const rules = queries.map(({ expr }, i) => `  - { record: "query:${i}", expr: ${JSON.stringify(expr)} }\n`)
    const file = join(scratch, 'queries.yml')
    await writeFile(file, `groups:\n- name: dashboard\n  rules:\n${rules.join('')}`)
    expect((await promtool('check', 'rules', file)).stdout).toContain(`SUCCESS: ${queries.length} rules`)
  })
})
