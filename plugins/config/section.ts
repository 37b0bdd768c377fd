import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { OptionalKind, type TObject, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import './formats.ts'
import type { ConfigProblem } from './load.ts'

export type Values = Record<string, unknown>

export interface SectionInput {
  section: string
  schema: TObject
  /** As the file has them. */
  values: Record<string, unknown>
  env: NodeJS.ProcessEnv
  /** Names of environment variables; those that belong to this section are taken out. */
  unused: Set<string>
  /** Folder that paths are relative to. */
  base: string
  /** Where to add what is wrong. */
  problems: ConfigProblem[]
}

/** One section: file under environment, converted, checked, defaults filled in. Keys with problems are left out. */
export function readSection({ section, schema, values, env, unused, base, problems }: SectionInput): Values {
  const keys = Object.keys(schema.properties)
  for (const key of Object.keys(values).filter((key) => !keys.includes(key))) {
    problems.push({ section, key, message: `there is no such key; allowed: ${keys.join(', ')}` })
  }
  const result: Values = {}
  for (const [key, property] of Object.entries(schema.properties)) {
    const report = (message: string) => problems.push({ section, key, message })
    const name = `EVENTS_${section.replaceAll(/[.-]/g, '_')}_${key}`.toUpperCase()
    const text = readEnv(name, env, unused, report) ?? values[key]
    if (text === undefined && property.default === undefined) {
      if (!isOptional(property)) report(`it is missing; allowed: ${property.allowed}`)
      continue
    }
    const value = text === undefined ? property.default : convert(property, String(text))
    if (Value.Check(property, value)) result[key] = isPath(property) ? resolve(base, value as string) : value
    else report(`got ${show(property, String(text))}; allowed: ${property.allowed}`)
  }
  return result
}

function readEnv(
  name: string,
  env: NodeJS.ProcessEnv,
  unused: Set<string>,
  report: (message: string) => void
): string | undefined {
  const file = env[`${name}__FILE`]
  unused.delete(name)
  unused.delete(`${name}__FILE`)
  if (file === undefined) return env[name]
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    report(`${name}__FILE names a file that cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

/** More strictly than TypeBox, for which 80.9 is the whole number 80, and yes is true. */
function convert(schema: TSchema, text: string): unknown {
  if (schema.type === 'integer' && !/^-?\d+$/.test(text)) return text
  if (schema.type === 'boolean' && text !== 'true' && text !== 'false') return text
  return Value.Convert(schema, text)
}

function isOptional(schema: TSchema): boolean {
  return OptionalKind in schema
}

function isPath(schema: TSchema): boolean {
  return schema.format === 'path'
}

function show(schema: TSchema, value: string): string {
  if (schema.secret === true) return 'a value that is not shown'
  // A URL may hold a password, or a key in its query, however badly it is written.
  return JSON.stringify(value.replace(/\/\/.*@/, '//***@').replace(/\?.*/, '?***'))
}
