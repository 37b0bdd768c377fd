import { setTimeout as sleep } from 'node:timers/promises'

/** The first `bytes` of it. */
export async function* cut(pieces: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  if (left <= 0) return
  for await (const piece of pieces) {
    yield piece.subarray(0, left)
    left -= piece.length
    if (left <= 0) return
  }
}

/** A little at a time. */
export async function* drip(
  pieces: AsyncIterable<Uint8Array>,
  drops: { bytes: number; everyMs: number } | undefined,
  signal: AbortSignal
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    if (drops === undefined) {
      yield piece
      continue
    }
    for (let at = 0; at < piece.length; at += drops.bytes) {
      yield piece.subarray(at, at + drops.bytes)
      await sleep(drops.everyMs, undefined, { signal })
    }
  }
}
