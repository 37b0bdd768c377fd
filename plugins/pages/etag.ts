import type { FastifyRequest } from 'fastify'
import type { StoreState } from '../validators.ts'

/**
 * Of the store's state and the question alone, so that it is known without an answer. Weak: what is read while something is
 * written can be newer than the revision that it goes by, and each encoding of it has the same one.
 * @param key `digest` of the question
 */
export function toEtag({ revision, digest }: Pick<StoreState, 'revision' | 'digest'>, key: string): string {
  return `W/"${revision.toString(36)}-${digest}-${key}"`
}

/**
 * Whether the client has just this already, or whatever there is: that there is something is for the caller to know.
 * @param state null: the time at which it changed says nothing of the answer
 */
export function matches({ headers }: FastifyRequest, etag: string, state: StoreState | null): boolean {
  const tags = headers['if-none-match']
  if (tags !== undefined) return tags === etag || isAny(tags) || (tags.match(TAGS)?.some(isWeakly(etag)) ?? false)
  const since = headers['if-modified-since']
  return since !== undefined && state !== null && since === lastModified(state)
}

/**
 * When this process first saw the state. Two can be of one second: so long it is not said.
 * @returns undefined while it is not sure
 */
export function lastModified(state: StoreState): string | undefined {
  // Once that is so it stays so.
  state.isPast ||= Date.now() - state.since >= SURE_MS
  return state.isPast ? state.modified : undefined
}

/** Whether it takes any answer for one that the client has. */
export function isAny(tags: string | undefined): boolean {
  return tags?.trim() === '*'
}

const TAGS = /(W\/)?"[^"]*"/g
const SURE_MS = 2000
const isWeakly = (etag: string) => (tag: string) => tag === etag || `W/${tag}` === etag
