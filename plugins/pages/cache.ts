import { LRUCache } from 'lru-cache'
import type { StoreState } from '../validators.ts'
import { type Body, byteLength, toBytes } from './body.ts'
import type { Encoding } from './compress.ts'

/** An answer as it was read. */
export interface KeptPage {
  /** `digest` of the question. */
  key: string
  state: StoreState
  etag: string
  body: Body
  link: string | undefined
  /** How many bytes stand before its `meta`; null: it has none. */
  metaAt: number | null
  /** Milliseconds since 1970: what it says of events was so then. */
  read_at: number
  /** By which it was asked for. */
  urls: string[]
  /** Compressed, by encoding; a promise while that is being done. */
  encoded: Map<Encoding, Buffer | Promise<Buffer>>
}

export interface Cache {
  get(key: string): KeptPage | undefined
  byUrl(url: string): KeptPage | undefined
  /**
   * Keeps a page, if there is room for it, or it was asked for twice: what is asked for once is not to drive out what is
   * asked for all the time.
   * @returns the page as it is to be sent
   */
  admit(page: KeptPage): KeptPage
  /** Remembers what a kept page was asked for by. */
  link(url: string, page: KeptPage): void
  /** Keeps what was compressed with its page, if that is kept. */
  addEncoded(page: KeptPage, encoding: Encoding, body: Buffer): void
}

/** What an entry costs beside its texts, at most. */
const ENTRY_BYTES = 1000
const MOST_URLS = 4
/** Of questions that were put once, so many are known. */
const MOST_SEEN = 10_000

/** @param most bytes, of all pages together */
export function createCache(most: number): Cache {
  const urls = new Map<string, KeptPage>()
  let seen = new Set<string>()
  const pages =
    most === 0
      ? undefined
      : new LRUCache<string, KeptPage>({
          maxSize: most,
          sizeCalculation: sizeOf,
          dispose: (page) => {
            for (const url of page.urls) if (urls.get(url) === page) urls.delete(url)
          }
        })

  function isWanted({ key, body }: KeptPage): boolean {
    if (pages === undefined) return false
    if (pages.has(key) || pages.calculatedSize + byteLength(body) + ENTRY_BYTES < most) return true
    if (seen.has(key)) return true
    if (seen.size >= MOST_SEEN) seen = new Set()
    seen.add(key)
    return false
  }

  return {
    get: (key) => pages?.get(key),
    byUrl: (url) => urls.get(url),
    admit(page) {
      if (!isWanted(page)) return page
      const kept = { ...page, body: toBytes(page.body) }
      pages!.set(page.key, kept)
      return kept
    },
    link(url, page) {
      if (page.urls.length >= MOST_URLS || urls.get(url) === page || pages?.peek(page.key) !== page) return
      const former = urls.get(url)
      if (former !== undefined) former.urls = former.urls.filter((one) => one !== url)
      page.urls.push(url)
      urls.set(url, page)
    },
    addEncoded(page, encoding, body) {
      page.encoded.set(encoding, body)
      // Its size has grown.
      if (pages?.peek(page.key) !== page) return
      const { urls: names } = page
      page.urls = []
      pages.delete(page.key)
      page.urls = names
      pages.set(page.key, page)
      // Too large by now to be kept.
      if (pages.peek(page.key) !== page) for (const url of names) urls.delete(url)
    }
  }
}

function sizeOf({ body, urls, encoded }: KeptPage): number {
  let size = ENTRY_BYTES + byteLength(body)
  for (const url of urls) size += url.length * 2
  for (const one of encoded.values()) if (Buffer.isBuffer(one)) size += one.length
  return size
}
