const PAGE_BITS = 1 << 15
/** How many bits are set in a byte. */
const BITS = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

/** A set of non-negative integers, one bit each, in pages of 4 kB that exist only where something is set. */
export class Bitmap {
  readonly #pages = new Map<number, Uint8Array>()
  /** How many are set. */
  size = 0

  has(n: number): boolean {
    const page = this.#pages.get(Math.floor(n / PAGE_BITS))
    const bit = n % PAGE_BITS
    return page !== undefined && (page[bit >> 3]! & (1 << (bit & 7))) !== 0
  }

  add(n: number): void {
    const key = Math.floor(n / PAGE_BITS)
    let page = this.#pages.get(key)
    if (page === undefined) {
      page = new Uint8Array(PAGE_BITS / 8)
      this.#pages.set(key, page)
    }
    const bit = n % PAGE_BITS
    const mask = 1 << (bit & 7)
    if ((page[bit >> 3]! & mask) !== 0) return
    page[bit >> 3]! |= mask
    this.size++
  }

  delete(n: number): void {
    if (!this.has(n)) return
    const bit = n % PAGE_BITS
    this.#pages.get(Math.floor(n / PAGE_BITS))![bit >> 3]! &= ~(1 << (bit & 7))
    this.size--
  }

  /** As text; empty pages are left out. */
  encode(): string {
    const pages = [...this.#pages].map(([key, page]) => [key, Buffer.from(page).toString('base64')])
    return JSON.stringify(Object.fromEntries(pages))
  }

  /** What `encode` gave. */
  static decode(text: string): Bitmap {
    const bitmap = new Bitmap()
    for (const [key, page] of Object.entries(JSON.parse(text) as Record<string, string>)) {
      const bytes = Buffer.from(page, 'base64')
      bitmap.#pages.set(Number(key), bytes)
      for (const byte of bytes) bitmap.size += BITS[byte]!
    }
    return bitmap
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [key, page] of this.#pages) {
      for (let bit = 0; bit < PAGE_BITS; bit++) {
        if ((page[bit >> 3]! & (1 << (bit & 7))) !== 0) yield key * PAGE_BITS + bit
      }
    }
  }
}
