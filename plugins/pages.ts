import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { StorageUnavailable } from '../storage/kit/errors.ts'
import { digest } from './kit/digest.ts'
import type { Body } from './pages/body.ts'
import { createCache, type KeptPage } from './pages/cache.ts'
import { isAny, matches, toEtag } from './pages/etag.ts'
import { gather } from './pages/gather.ts'
import { addMeta, renewMeta } from './pages/meta.ts'
import { send, sendKept, sendNotModified } from './pages/send.ts'
import type { StoreState } from './validators.ts'

declare module 'fastify' {
  interface FastifyInstance {
    pages: Pages
  }
}

/** What is asked for, and how it is read where no one has it in memory. */
export interface Question {
  /** The same for the same question, however it was put: its digest is what a page is kept under. */
  key: string
  /** Whether it is the same question whenever it is put: nothing in it depends on what time it is. */
  isTimeless: boolean
  /**
   * Whether the body gets `meta` at its end: it says how fresh the sources are, and can say that it is stale. Then it comes
   * without the brace that closes it.
   */
  hasMeta: boolean
  /** @param revision what is read must not be older than it */
  read(revision: number): Promise<Answer>
}

export interface Answer {
  body: Body
  /** The header. */
  link?: string
}

/** Answers about events, with what was answered last kept in memory, within `[server] cache_mb`. */
export interface Pages {
  /** From memory while that is as the storage has it, or while the storage is away: then it says so. */
  answer(request: FastifyRequest, reply: FastifyReply, question: Question): Promise<unknown>
  /**
   * Answers at once what was asked before by just this URL, and is in memory as the storage has it.
   * @returns false where it cannot
   */
  answerAgain(request: FastifyRequest, reply: FastifyReply): boolean
}

export default fp(
  async (app) => {
    const cache = createCache(app.config.server.cache_mb * 2 ** 20)
    const { cors_origins, rate_limit } = app.config.server
    // CORS and limits set headers of their own. Where there are none, to look for them takes a thirtieth of an answer from
    // memory; a hook that sets one more has to be named here.
    const hooksSetHeaders = cors_origins !== '' || rate_limit > 0
    /** Of several that ask the same at once, the others wait for the first. */
    let reading = new Map<string, Promise<KeptPage>>()

    async function read({ hasMeta, read }: Question, key: string, state: StoreState, etag: string): Promise<KeptPage> {
      const read_at = Date.now()
      const { body, link } = await read(state.revision)
      const whole = hasMeta ? addMeta(body, state) : { body, metaAt: null }
      return cache.admit({ key, state, etag, ...whole, link, read_at, urls: [], encoded: new Map() })
    }
    function readOnce(question: Question, key: string, state: StoreState, etag: string): Promise<KeptPage> {
      const name = etag + key
      // A map whose entries come and go all the time keeps them in memory, by its former tables.
      if (reading.size === 0) reading = new Map()
      let page = reading.get(name)
      if (page === undefined) {
        page = read(question, key, state, etag).finally(() => reading.delete(name))
        reading.set(name, page)
      }
      return page
    }

    /** While no event has changed, what has been read of them is good, however fresh the sources are by now. */
    function recall(key: string, state: StoreState, etag: string): KeptPage | undefined {
      const known = cache.get(key)
      if (known === undefined || known.state.revision !== state.revision) return undefined
      return known.state === state ? known : cache.admit(renewMeta(known, state, etag))
    }

    app.decorate('pages', {
      async answer(request, reply, question) {
        const { hasMeta, isTimeless } = question
        const key = digest(question.key)
        try {
          await gather()
          const state = await app.validators.current()
          const etag = toEtag({ revision: state.revision, digest: hasMeta ? state.digest : '' }, key)
          const dated = isTimeless ? state : null
          // Whether there is anything is known when it was read.
          const hasAny = isAny(request.headers['if-none-match'])
          if (!hasAny && matches(request, etag, dated)) return sendNotModified(reply, etag, dated)
          const page = recall(key, state, etag) ?? (await readOnce(question, key, state, etag))
          if (hasAny) return sendNotModified(reply, etag, dated)
          if (isTimeless) cache.link(request.url, page)
          return await send(request, reply, page, cache, { state: dated })
        } catch (error) {
          const stale = error instanceof StorageUnavailable ? cache.get(key) : undefined
          if (stale === undefined) throw error
          return await send(request, reply, stale, cache, { isStale: true })
        }
      },

      answerAgain(request, reply) {
        const state = app.validators.peek()
        const page = state && cache.byUrl(request.url)
        if (!page || page.state !== state) return false
        const others = hooksSetHeaders ? headersOf(reply) : []
        return others !== undefined && sendKept(request, reply, page, state, others)
      }
    })
  },
  { name: 'pages', dependencies: ['config', 'validators'] }
)

/** @returns by names and values in turn; undefined where others have a say in what the answer depends on */
function headersOf(reply: FastifyReply): string[] | undefined {
  if (reply.hasHeader('vary')) return undefined
  return Object.entries(reply.getHeaders()).flat().map(String)
}
