import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { decodeBody } from '../../plugins/http/body.ts'

it('a body that is all there already lets timers tick between its pieces, whatever is done with each', async () => {
  const body = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(16_384)))
  let ticked = false
  const timer = setTimeout(() => (ticked = true), 20)
  let pieces = 0
  for await (const _piece of decodeBody(body, undefined, new AbortController().signal)) {
    const busyUntil = performance.now() + 5
    while (performance.now() < busyUntil);
    pieces++
    if (ticked) break
  }
  clearTimeout(timer)
  expect(pieces).toBeLessThan(50)
})
