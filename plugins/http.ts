import fp from 'fastify-plugin'
import type { createClient } from './http/client.ts'

declare module 'fastify' {
  interface FastifyInstance {
    http: HttpClient
  }
}

export interface HttpClient {
  /**
   * One GET, following at most 3 redirects. It has no deadline of its own: that is the signal's.
   * @throws FeedError, also from `body`; the signal's reason when it aborts
   */
  get(url: string, options: HttpOptions): Promise<HttpResponse>
  /**
   * One POST, which follows no redirect.
   * @returns the status of the answer
   * @throws as `get`
   */
  post(url: string, body: string, options: HttpOptions): Promise<number>
}

export interface HttpOptions {
  headers?: Record<string, string>
  signal: AbortSignal
  /** Whether addresses that are not public may be connected to. */
  allowPrivate: boolean
}

export interface HttpResponse {
  status: number
  headers: Record<string, string | undefined>
  /** Decoded of its content coding; pulled. */
  body: AsyncIterable<Uint8Array>
  /** Instead of reading the body; its connection is not used again. */
  discard(): void
}

/** How feeds are fetched, and notices sent. */
export default fp(
  async (app) => {
    // Loaded when it is needed, so that a process that only answers requests does not have it in memory.
    let client: Promise<ReturnType<typeof createClient>> | undefined
    const load = () => (client ??= import('./http/client.ts').then(({ createClient }) => createClient()))
    app.decorate('http', {
      get: async (url, options) => (await load()).get(url, options),
      post: async (url, body, options) => (await load()).post(url, body, options)
    } satisfies HttpClient)
    app.addHook('onClose', async () => (await client)?.close())
  },
  { name: 'http' }
)
