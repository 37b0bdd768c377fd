import { createRandom, type Random } from '../../bench/kit/random.ts'
import type { Answer, Framing, Script } from './answer.ts'
import { HTML_PAGE } from './bodies.ts'

const FRAMINGS: Framing[] = ['content-length', 'chunked', 'close']
const STATUSES = [400, 401, 403, 404, 410, 429, 500, 502, 503, 504]

/** Ways to fail, each with a good answer's body to spoil. */
const FAULTS: ((good: string, random: Random) => Answer)[] = [
  (_good, random) => ({ status: STATUSES[random(STATUSES.length)]!, body: 'no' }),
  (_good, random) => ({ status: 503, headers: { 'retry-after': String(1 + random(2)) } }),
  (_good, random) => ({ status: 429, headers: { 'retry-after': retryDate(1 + random(2)) } }),
  (good, random) => ({ body: good, framing: FRAMINGS[random(3)]!, cutAfter: random(good.length) }),
  (good, random) => ({ body: good, gzip: true, framing: FRAMINGS[random(3)]!, cutAfter: random(200) }),
  () => ({ body: HTML_PAGE, headers: { 'content-type': 'text/html' } }),
  () => ({ body: '' }),
  (good) => ({ body: good.replace('</eventList>', '') }),
  (good, random) => ({ body: spoil(good, random(good.length)) }),
  (good) => ({ body: good.replace('<eventList', '<!DOCTYPE eventList>\n<eventList') }),
  (good) => ({ body: Buffer.from(good.replaceAll('Event', 'Ópera'), 'latin1') }),
  (good) => ({ body: good, headers: { 'content-encoding': 'gzip' } }),
  () => ({ status: 302, headers: { location: '/feed.xml' } })
]

/**
 * `percent` of the requests fail, in one way or another; the same ones in the same way for the same seed. What does not
 * fail is answered by `script`; it is asked either way.
 */
export function faulty(percent: number, seed: number, script: Script): Script {
  const random = createRandom(seed)
  return (request) => {
    const good = script(request)
    const isFault = random(100) < percent
    const fault = FAULTS[random(FAULTS.length)]!
    return isFault ? fault(String(good.body ?? ''), random) : good
  }
}

/** In the other of the two ways that Retry-After may be written. */
export function retryDate(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toUTCString()
}

function spoil(text: string, at: number): string {
  return `${text.slice(0, at)}<<${text.slice(at)}`
}
