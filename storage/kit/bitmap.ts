const PAGE_BITS = 1 << 15

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
}
