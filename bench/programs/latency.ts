import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { variedPath } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'

/** Asks at a steady pace, whatever is still unanswered, and prints the 99th percentile of the milliseconds it took. */
const { origin, seconds, perSecond, seed } = JSON.parse(process.argv[2]!) as LatencyOptions

export interface LatencyOptions {
  origin: string
  seconds: number
  perSecond: number
  seed: number
}

const pool = new Pool(origin, { connections: 20 })
const random = createRandom(seed)
const milliseconds: number[] = []

async function ask(): Promise<void> {
  const started = performance.now()
  const { statusCode, body } = await pool.request({ method: 'GET', path: variedPath(random) })
  await body.text()
  if (statusCode !== 200) throw new Error(`an answer has status ${statusCode}`)
  milliseconds.push(performance.now() - started)
}

const started = performance.now()
const answers: Promise<void>[] = []
for (let i = 0; i < seconds * perSecond; i++) {
  await sleep(Math.max(0, started + (i * 1000) / perSecond - performance.now()))
  answers.push(ask())
}
await Promise.all(answers)
await pool.close()
milliseconds.sort((a, b) => a - b)
console.log(JSON.stringify(milliseconds[Math.floor(milliseconds.length * 0.99)]))
