import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Examples } from '../../../plugins/docs/add-examples.ts'
import { ADMIN_TOKEN } from '../../helper.ts'

export interface Question {
  operation: string
  url: string
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  /** Whether to bring the admin token, where something is changed. */
  isAdmin?: boolean
}

export type ExampleRecord = ReturnType<typeof createRecord>

/** Asks, and keeps what was answered as examples. */
export function createRecord() {
  const examples: Examples = {}

  /** @param name of the example; of an error, its code */
  async function ask(app: FastifyInstance, status: number, name: string, question: Question) {
    const { operation, method = 'GET', url, headers = {}, isAdmin = method === 'POST' } = question
    const request: InjectOptions = {
      method,
      url,
      headers: { ...headers, ...(isAdmin && { authorization: `Bearer ${ADMIN_TOKEN}` }) }
    }
    const response = await app.inject({ ...request, payloadAsStream: true })
    const type = String(response.headers['content-type']).split(';')[0]!
    const text = await readText(response.stream(), ENOUGH[type])
    const shown = [`${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
    const value = type.endsWith('json') && type !== 'application/x-ndjson' ? JSON.parse(text) : text
    const found = status < 400 || typeof value === 'string' ? name : value.code
    if (response.statusCode !== status || found !== name) {
      throw new Error(`${shown.join(', ')}: ${response.statusCode} instead of ${status} ${name}: ${text.slice(0, 500)}`)
    }
    examples[operation] ??= {}
    const answers = examples[operation]
    answers[status] ??= {}
    answers[status][type] = { ...answers[status][type], [name]: { request: shown.join(', '), value } }
    return value
  }
  return { examples, ask }
}

/** What is enough of an answer that is long, or without end: one event, and one metric. */
const ENOUGH: Record<string, RegExp | undefined> = {
  'text/event-stream': /data: .*\n\n/,
  'text/plain': /\n\n/
}

async function readText(stream: AsyncIterable<Buffer | string>, enough: RegExp | undefined): Promise<string> {
  let text = ''
  for await (const part of stream) {
    text += part
    const found = enough?.exec(text)
    if (found) return text.slice(0, found.index + found[0].length)
  }
  return text
}
