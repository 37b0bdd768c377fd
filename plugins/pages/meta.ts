import type { StoreState } from '../validators.ts'
import { type Body, byteLength, toBytes } from './body.ts'
import type { KeptPage } from './cache.ts'

/** @param body a JSON object without its end */
export function addMeta(body: Body, state: StoreState): { body: Body; metaAt: number } {
  const metaAt = byteLength(body)
  const meta = renderMeta(state)
  if (typeof body === 'string') return { body: body + meta, metaAt }
  if (Buffer.isBuffer(body)) return { body: Buffer.concat([body, Buffer.from(meta)]), metaAt }
  const [head, middle, tail] = body
  return { body: [head, middle, tail + meta], metaAt }
}

/** The same page of the same revision, which says how fresh the sources are now. */
export function renewMeta(page: KeptPage, state: StoreState, etag: string): KeptPage {
  const { metaAt } = page
  if (metaAt === null) return { ...page, state, etag }
  const body = Buffer.concat([toBytes(page.body).subarray(0, metaAt), Buffer.from(renderMeta(state))])
  return { ...page, state, etag, body, urls: [], encoded: new Map() }
}

function renderMeta({ revision, sources }: StoreState): string {
  return `,"meta":{"revision":${revision},${sources}}}`
}
