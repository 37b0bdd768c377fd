import { Bitmap } from '../../../storage/kit/bitmap.ts'
import { MOST } from './result.ts'

/** Counts all of them, one bit each, and keeps the first ones to be shown. */
export class ChangeList<T> {
  readonly #numbers = new Bitmap()
  readonly #shown = new Map<number, { item: T; bytes: number }>()
  #bytes = 0
  #isFull = false

  has(number: number): boolean {
    return this.#numbers.has(number)
  }

  /** @param show asked only where there is room for it; what it gives replaces what was shown before */
  put(number: number, show: () => T): void {
    const isShown = this.#shown.has(number)
    if (this.#numbers.has(number) && !isShown) return
    this.#hide(number)
    this.#numbers.add(number)
    if (!isShown && (this.#isFull || this.#shown.size === MOST.items)) return
    const item = show()
    const bytes = Buffer.byteLength(JSON.stringify(item))
    this.#isFull = this.#isFull || this.#bytes + bytes > MOST.bytes
    if (this.#bytes + bytes > MOST.bytes) return
    this.#shown.set(number, { item, bytes })
    this.#bytes += bytes
  }

  remove(number: number): void {
    this.#hide(number)
    this.#numbers.delete(number)
  }

  #hide(number: number): void {
    this.#bytes -= this.#shown.get(number)?.bytes ?? 0
    this.#shown.delete(number)
  }

  /** @param total how many there are, where not all of them were put */
  result(total = this.#numbers.size): { total: number; has_more: boolean; items: T[] } {
    const items = [...this.#shown.values()].map(({ item }) => item)
    return { total, has_more: total > items.length, items }
  }
}
