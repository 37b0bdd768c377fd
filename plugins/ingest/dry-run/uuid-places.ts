const BYTES = 16

/** Gives each UUID a place, from 0 on, for some 40 bytes: a Map of as many texts takes four times as much. */
export class UuidPlaces {
  /** How many there are. */
  size = 0
  #ids = Buffer.alloc(512 * BYTES)
  /** An open hash table of places, each raised by 1; 0 is a free slot. At most every other one is taken. */
  #slots = new Uint32Array(1024)

  get(id: string): number | undefined {
    const place = this.#slots[this.#findSlot(id)]!
    return place === 0 ? undefined : place - 1
  }

  /** One that is there already keeps its place. */
  add(id: string): number {
    const slot = this.#findSlot(id)
    if (this.#slots[slot] !== 0) return this.#slots[slot]! - 1
    this.#slots[slot] = ++this.size
    if (this.size * 2 === this.#slots.length) this.#grow()
    return this.size - 1
  }

  #findSlot(id: string): number {
    // Behind the others, where it stays if it is added.
    this.#ids.write(id.replaceAll('-', ''), this.size * BYTES, 'hex')
    return this.#findSlotOf(this.size)
  }

  /** Of the id at this place: its slot, or the free one that it belongs in. */
  #findSlotOf(place: number): number {
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
    for (let place = 0; place < this.size; place++) this.#slots[this.#findSlotOf(place)] = place + 1
  }
}
