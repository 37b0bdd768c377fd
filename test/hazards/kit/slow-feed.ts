import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from '../../provider.ts'
import { until } from '../../service.ts'
import type { Version } from './versions.ts'

const PIECE = 65_536

export interface SlowFeed {
  /** Answers the next request with the whole document, or 304 to who has it already. @returns its headers */
  give(version: Version): Promise<IncomingMessage['headers']>
  /** The same, but only so many bytes. @returns once they are sent */
  begin(version: Version, bytes: number): Promise<void>
  /** The rest of what was begun. */
  finish(): Promise<void>
}

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/** A provider that answers when a test says so: until then, requests wait. */
export function createSlowFeed(provider: Provider): SlowFeed {
  const waiting: Exchange[] = []
  let rest = async () => {}
  provider.serve((request, response) => {
    const exchange = { request, response }
    waiting.push(exchange)
    response.once('close', () => {
      if (waiting.includes(exchange)) waiting.splice(waiting.indexOf(exchange), 1)
    })
  })
  const next = () => until(() => waiting.shift() ?? false)

  async function begin(version: Version, bytes: number): Promise<IncomingMessage['headers']> {
    const { request, response } = await next()
    const headers = { etag: version.etag, 'content-type': 'application/xml' }
    if (request.headers['if-none-match'] === version.etag) {
      response.writeHead(304, headers).end()
      rest = async () => {}
      return request.headers
    }
    response.writeHead(200, { ...headers, 'content-length': version.body.length }).flushHeaders()
    await send(response, version.body.subarray(0, bytes))
    rest = async () => {
      await send(response, version.body.subarray(bytes))
      response.end()
    }
    return request.headers
  }
  return {
    async give(version) {
      const headers = await begin(version, 0)
      await rest()
      return headers
    },
    begin: async (version, bytes) => void (await begin(version, bytes)),
    finish: () => rest()
  }
}

/** Returns when the system has it all, or the client has left. */
async function send(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length && !response.closed; at += PIECE) {
    await new Promise<void>((resolve) => {
      response.once('close', resolve)
      response.write(bytes.subarray(at, at + PIECE), () => {
        response.off('close', resolve)
        resolve()
      })
    })
  }
}
