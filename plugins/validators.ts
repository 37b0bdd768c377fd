import { hash } from 'node:crypto'
import fp from 'fastify-plugin'
import type { Freshness } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    validators: Validators
  }
}

/** What all answers about events say of the whole: while it is one and the same object, what was answered holds. */
export interface StoreState {
  revision: number
  /** `meta.sources` and `meta.warnings`, as JSON without braces. */
  sources: string
  /** Of which sources there are, and which are stale: when each was last fetched is no reason to send everything anew. */
  digest: string
  /** When this process first saw its revision and digest: milliseconds since 1970, and as HTTP writes it. */
  since: number
  modified: string
  /** Whether no other state can be of the same second any more. */
  isPast: boolean
}

export interface Validators {
  /** At most 100 ms old. What is read after it is never older than its revision. */
  current(): Promise<StoreState>
  /** The same, if nothing has to be asked for it. */
  peek(): StoreState | null
}

/** How long a revision is believed: what was written meanwhile is told this much later. */
const REVISION_MS = 100

/** The state of the store that answers are made of, so that a request for what has not changed costs no query. */
export default fp(
  async (app) => {
    let state: StoreState = { revision: -1, sources: '', digest: '', since: 0, modified: '', isPast: true }
    let freshness: readonly Freshness[] = []
    let [sources, digest] = ['', '']
    /** Whether the state is not too old yet. The time is not asked for with each request: that is a hundredth of an answer. */
    let isGood = false
    let aging: NodeJS.Timeout | undefined
    let reading: Promise<StoreState> | undefined
    let writes = 0

    async function read(): Promise<StoreState> {
      // Before it is asked: what it answers may have been so since then.
      const asked = performance.now()
      const before = writes
      const [revision, found] = await Promise.all([app.storage.revision(), app.sources.freshness()])
      if (found !== freshness) {
        freshness = found
        sources = renderSources(found)
        const stale = JSON.stringify(found.map(({ name, stale }) => [name, stale]))
        digest = hash('sha1', stale, 'base64url').slice(0, 8)
      }
      if (revision !== state.revision || digest !== state.digest) {
        const since = Date.now()
        state = { revision, sources, digest, since, modified: new Date(since).toUTCString(), isPast: false }
      } else if (sources !== state.sources) state = { ...state, sources }
      if (writes === before) believe(asked + REVISION_MS - performance.now())
      return state
    }
    function believe(ms: number): void {
      if (ms <= 0) return
      isGood = true
      clearTimeout(aging)
      aging = setTimeout(() => (isGood = false), ms).unref()
    }

    // What this process has written itself it sees at once.
    app.storageHealth.onCall(({ access }) => {
      if (access !== 'writing') return
      writes++
      isGood = false
    })

    app.decorate('validators', {
      peek: () => (isGood ? state : null),
      async current() {
        if (isGood) return state
        reading ??= read().finally(() => (reading = undefined))
        return reading
      }
    })
  },
  { name: 'validators', dependencies: ['storage', 'sources'] }
)

function renderSources(sources: readonly Freshness[]): string {
  const warnings = sources.filter(({ stale }) => stale).map(toWarning)
  return `"sources":${JSON.stringify(sources)}${warnings.length > 0 ? `,"warnings":${JSON.stringify(warnings)}` : ''}`
}

function toWarning({ name, last_success_at }: Freshness) {
  const since = last_success_at === null ? 'has never been fetched' : `was last fetched at ${last_success_at}`
  return { code: 'stale_source', source: name, detail: `${name} ${since}: its events may be out of date.` }
}
