import { Agent, type Dispatcher, request } from 'undici'
import { FeedError } from '../../adapters/kit/errors.ts'
import type { HttpClient, HttpOptions, HttpResponse } from '../http.ts'
import { decodeBody } from './body.ts'
import { explainNetworkError } from './explain.ts'
import { createGuardedConnector } from './guarded-connector.ts'

const MOST_REDIRECTS = 3

export function createClient(): HttpClient & { close(): Promise<void> } {
  const timeouts = { headersTimeout: 30_000, bodyTimeout: 60_000 }
  const agents = {
    open: new Agent({ ...timeouts, connect: createGuardedConnector({ allowPrivate: true }) }),
    guarded: new Agent({ ...timeouts, connect: createGuardedConnector({ allowPrivate: false }) })
  }
  const agentFor = ({ allowPrivate }: HttpOptions) => (allowPrivate ? agents.open : agents.guarded)
  return {
    get: (url, options) => get(url, options, agentFor(options)),
    async post(url, body, options) {
      const response = await send(new URL(url), options, agentFor(options), body)
      discard(response.body)
      return response.statusCode
    },
    async close() {
      await Promise.all([agents.open.destroy(), agents.guarded.destroy()])
    }
  }
}

async function get(url: string, options: HttpOptions, dispatcher: Agent): Promise<HttpResponse> {
  let target = new URL(url)
  for (let redirects = 0; ; redirects++) {
    const response = await send(target, options, dispatcher)
    const headers = flatten(response.headers)
    if (![301, 302, 303, 307, 308].includes(response.statusCode)) {
      return {
        status: response.statusCode,
        headers,
        body: decodeBody(response.body, headers['content-encoding'], options.signal),
        discard: () => discard(response.body)
      }
    }
    discard(response.body)
    if (redirects === MOST_REDIRECTS) throw new FeedError('redirect', `more than ${MOST_REDIRECTS} redirects`)
    target = resolveRedirect(headers.location, target)
  }
}

/** @param body of a POST; left out: a GET */
async function send(
  url: URL,
  { headers, signal }: HttpOptions,
  dispatcher: Agent,
  body?: string
): Promise<Dispatcher.ResponseData> {
  const { username, password } = url
  const authorization = username || password ? { authorization: basic(username, password) } : {}
  try {
    return await request(url, {
      dispatcher,
      signal,
      // One that stays open ends when the provider has waited for a while, even while what it sent is still being
      // read here: undici takes that for a body that broke off. And nobody is asked twice in that time.
      reset: true,
      ...(body !== undefined && { method: 'POST', body }),
      headers: { 'accept-encoding': 'gzip, br', 'user-agent': 'event-service', ...authorization, ...headers }
    })
  } catch (error) {
    signal.throwIfAborted()
    throw explainNetworkError(error as Error, url.host)
  }
}

/** Not `dump`, which waits for a body that may never end. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined).destroy()
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
}

function resolveRedirect(location: string | undefined, from: URL): URL {
  const to = location === undefined ? null : URL.parse(location, from.href)
  if (to === null || !['http:', 'https:'].includes(to.protocol) || to.username || to.password) {
    // Without the address: details of runs are public.
    throw new FeedError('redirect', 'the provider redirects to what is not a web address')
  }
  // Credentials are for the host that they were given for, and nobody else gives us any.
  if (to.origin === from.origin) Object.assign(to, { username: from.username, password: from.password })
  return to
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value])
  )
}
