import { hash } from 'node:crypto'
import type { KnownEvent } from '../../../storage/kit/contract.ts'
import { UuidPlaces } from './uuid-places.ts'

/** Of a digest so many digits, each of four bits: they are compared only with another one of the same event. */
const DIGITS = 12

/** As `WrittenEvents` keeps it. */
export const shortDigest = (text: string) => hash('sha1', text, 'hex').slice(0, DIGITS)

interface Written {
  fingerprint: string
  /** See `WriteOptions.pieces`. */
  piece: string | undefined
}

/** What a storage would have of the events that were written to it, as far as it decides what becomes of those that follow. */
export class WrittenEvents {
  readonly #places = new UuidPlaces()
  #fingerprints = new Float64Array(512)
  /** 0 where there is none. */
  #pieces = new Float64Array(512)

  get(id: string): { place: number; piece: string | null } | undefined {
    const place = this.#places.get(id)
    return place === undefined ? undefined : { place, piece: toDigest(this.#pieces[place]!) }
  }

  /**
   * @param before what the storage has of it
   * @returns its place among all of them
   */
  put(id: string, written: Written, before: KnownEvent | undefined): number {
    const isNew = this.#places.get(id) === undefined
    const place = this.#places.add(id)
    if (this.#pieces.length === place) {
      this.#fingerprints = grown(this.#fingerprints)
      this.#pieces = grown(this.#pieces)
    }
    if (isNew && before !== undefined && before.event.status === 'listed') {
      this.#fingerprints[place] = toNumber(before.fingerprint)
      this.#pieces[place] = toNumber(before.piece)
    }
    const fingerprint = toNumber(written.fingerprint)
    // Where nothing else changes, and it is not said what it was read from, that stays.
    const isSame = this.#fingerprints[place] === fingerprint
    if (!isSame || written.piece !== undefined) this.#pieces[place] = toNumber(written.piece ?? null)
    this.#fingerprints[place] = fingerprint
    return place
  }
}

const toNumber = (text: string | null) => (text === null ? 0 : Number.parseInt(shortDigest(text), 16))
const toDigest = (number: number) => (number === 0 ? null : number.toString(16).padStart(DIGITS, '0'))

function grown(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(values.length * 2)
  more.set(values)
  return more
}
