import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TObject } from '@sinclair/typebox'
import type { SourceSettings } from '../../adapters/kit/contract.ts'
import { readFile } from './file.ts'
import {
  type AlertSettings,
  AlertsSection,
  type Role,
  ServerSection,
  type ServerSettings,
  SourceSection
} from './schema.ts'
import { readSection, type Values } from './section.ts'

export interface Config {
  /** Absolute path of the file. */
  file: string
  server: ServerSettings
  alerts: AlertSettings
  /** Settings of the driver that `[server] storage` names. */
  storage: Values
  sources: (SourceSettings & { options: Values })[]
}

export interface ConfigProblem {
  section: string
  key: string
  /** What is wrong, and what is allowed. */
  message: string
}

/** Everything that is wrong, at once. */
export class ConfigError extends Error {
  readonly problems: ConfigProblem[]

  constructor(file: string, problems: ConfigProblem[]) {
    const lines = problems.map(({ section, key, message }) => `  [${section}] ${key}: ${message}`)
    super(`the configuration is not usable (${file}):\n${lines.join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export interface ConfigInput {
  file: string
  env: NodeJS.ProcessEnv
  /** Schemas of the sections that drivers and adapters own, by their names. */
  drivers: Map<string, { options: TObject }>
  adapters: Map<string, { options: TObject }>
}

const SOURCE_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/

/**
 * Reads the file, lays the environment over it (`EVENTS_<SECTION>_<KEY>`, or `…__FILE` with the path of a file that
 * holds the value) and checks everything.
 * @throws ConfigError
 */
export function loadConfig({ file, env, drivers, adapters }: ConfigInput): Config {
  const problems: ConfigProblem[] = []
  const sections = readFile(file, problems)
  const base = dirname(file)
  const isOurs = (name: string) => /^EVENTS_(?!CONFIG$|TEST_)/.test(name)
  const unused = new Set(Object.keys(env).filter(isOurs))
  const read = (section: string, schema: TObject): Values =>
    readSection({ section, schema, values: sections.get(section) ?? {}, env, unused, base, problems })

  const server = read('server', ServerSection)
  const alerts = read('alerts', AlertsSection) as AlertSettings
  if (alerts.url && alerts.secret === '') {
    problems.push({
      section: 'alerts',
      key: 'secret',
      message: `it is missing, as there is a url; allowed: ${AlertsSection.properties.secret.allowed}`
    })
  }
  const storages = new Map([...drivers].map(([name, { options }]) => [name, read(name, options)]))
  if (!drivers.has(server.storage as string)) {
    problems.push(unknownName('server', 'storage', server.storage, drivers))
  }

  const sources: Config['sources'] = []
  const envNames = new Map<string, string>()
  for (const section of [...sections.keys()].filter((name) => name.startsWith('source.'))) {
    const name = section.slice('source.'.length)
    const envName = name.replaceAll('-', '_')
    const twin = envNames.get(envName)
    envNames.set(envName, section)
    if (!SOURCE_NAME.test(name)) {
      problems.push({ section, key: '(name)', message: 'a source is named with a-z, 0-9, - and _, at most 63 of them' })
    } else if (twin !== undefined) {
      problems.push({
        section,
        key: '(name)',
        message: `it has the same environment variables as [${twin}]: rename one`
      })
    }
    const adapterName = env[`EVENTS_SOURCE_${envName.toUpperCase()}_ADAPTER`] ?? sections.get(section)?.adapter
    const adapter = adapters.get(String(adapterName))
    const { properties } = adapter?.options ?? { properties: {} }
    const values = read(section, { ...SourceSection, properties: { ...properties, ...SourceSection.properties } })
    if (adapter === undefined && values.adapter !== undefined) {
      problems.push(unknownName(section, 'adapter', values.adapter, adapters))
    }
    const isOption = ([key]: [string, unknown]) => key in properties
    const entries = Object.entries(values)
    sources.push({
      ...(Object.fromEntries(entries.filter((entry) => !isOption(entry))) as unknown as SourceSettings),
      name,
      url: resolveUrl(String(values.url), base),
      options: Object.fromEntries(entries.filter(isOption))
    })
  }

  const known = ['server', 'alerts', ...drivers.keys()]
  for (const section of [...sections.keys()].filter((name) => !known.includes(name) && !name.startsWith('source.'))) {
    const allowed = [...known, 'source.NAME'].map((name) => `[${name}]`).join(', ')
    problems.push({ section, key: '(section)', message: `there is no such section; allowed: ${allowed}` })
  }
  for (const name of unused) {
    problems.push({ section: 'environment', key: name, message: 'it is not a key of any section of the file' })
  }
  if (problems.length > 0) throw new ConfigError(file, problems)
  const roles = new Set((server.roles as string).split(',').map((role) => role.trim() as Role))
  const workers = server.workers === 'auto' ? availableParallelism() : Number(server.workers)
  return {
    file,
    server: { ...(server as unknown as ServerSettings), roles, workers },
    alerts,
    storage: storages.get(server.storage as string)!,
    sources
  }
}

function unknownName(section: string, key: string, got: unknown, names: Map<string, unknown>): ConfigProblem {
  return { section, key, message: `got ${JSON.stringify(got)}; allowed: ${[...names.keys()].join(' | ')}` }
}

function resolveUrl(url: string, base: string): string {
  if (!url.startsWith('file:')) return url
  return url.startsWith('file:///') ? url : pathToFileURL(resolve(base, url.slice('file:'.length))).href
}
