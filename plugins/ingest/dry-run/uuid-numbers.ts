const BYTES = 16

/** Numbers UUIDs as they come, from 0, in some 40 bytes each: a Map of as many texts takes four times as much. */
export class UuidNumbers {
  #ids = Buffer.alloc(512 * BYTES)
  /** An open hash table of half as many numbers, each raised by 1; 0 is a free slot. */
  #slots = new Uint32Array(1024)
  #size = 0

  /** Of an id that is new, the next number. */
  numberOf(id: string): number {
    if (this.#size * 2 === this.#slots.length) this.#grow()
    // Behind the others, where it stays if it is new.
    this.#ids.write(id.replaceAll('-', ''), this.#size * BYTES, 'hex')
    const slot = this.#find(this.#size)
    if (this.#slots[slot] === 0) this.#slots[slot] = ++this.#size
    return this.#slots[slot]! - 1
  }

  /** The slot of the id at this place, or the free one that it belongs in. */
  #find(place: number): number {
    const at = place * BYTES
    // They are digests: any part of one is as good as a hash.
    let slot = this.#ids.readUInt32LE(at) % this.#slots.length
    for (;;) {
      const known = (this.#slots[slot]! - 1) * BYTES
      if (known < 0 || this.#ids.compare(this.#ids, at, at + BYTES, known, known + BYTES) === 0) return slot
      slot = (slot + 1) % this.#slots.length
    }
  }

  #grow(): void {
    this.#ids = Buffer.concat([this.#ids], this.#ids.length * 2)
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let place = 0; place < this.#size; place++) this.#slots[this.#find(place)] = place + 1
  }
}
