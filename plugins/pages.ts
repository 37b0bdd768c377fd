import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    pages: Pages
  }
}

/** A list as it was answered. */
export interface KeptPage {
  body: string | Buffer
  next_cursor: string | null
  /** Milliseconds since 1970: what it says was so then. */
  read_at: number
}

/** The pages that were answered last, within `[server] stale_mb`. Those that were not asked for longest go first. */
export interface Pages {
  keep(query: Record<string, unknown>, page: KeptPage): void
  /** Of the same query, whatever the order of its parameters. */
  recall(query: Record<string, unknown>): KeptPage | undefined
}

export default fp(
  async (app) => {
    app.decorate('pages', createPages(app.config.server.stale_mb * 2 ** 20))
  },
  { name: 'pages', dependencies: ['config'] }
)

/** A page that is asked for all the time is kept anew this often. */
const RENEW_MS = 1000
/** What an entry costs beside its key and body, at most. */
const ENTRY_BYTES = 500

/** @param most bytes, of all pages together */
export function createPages(most: number): Pages {
  const pages = new Map<string, KeptPage>()
  let bytes = 0

  function remove(key: string, page: KeptPage): void {
    pages.delete(key)
    bytes -= sizeOf(key, page)
  }
  return {
    keep(query, page) {
      if (most === 0) return
      const key = toKey(query)
      const former = pages.get(key)
      if (former !== undefined) {
        if (page.read_at - former.read_at < RENEW_MS) return
        remove(key, former)
      }
      pages.set(key, page)
      bytes += sizeOf(key, page)
      for (const [oldKey, old] of pages) {
        if (bytes <= most) return
        remove(oldKey, old)
      }
    },
    recall: (query) => pages.get(toKey(query))
  }
}

/** Also of a small body the whole block of memory that it is a part of: that is what keeping it costs. */
function sizeOf(key: string, { body }: KeptPage): number {
  return (typeof body === 'string' ? body.length * 2 : body.buffer.byteLength) + key.length * 2 + ENTRY_BYTES
}

function toKey(query: Record<string, unknown>): string {
  let key = ''
  for (const name of Object.keys(query).sort()) key += `${name}=${JSON.stringify(query[name])}&`
  return key
}
