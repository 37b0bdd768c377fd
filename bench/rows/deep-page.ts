import { Client } from 'undici'
import { median } from '../kit/compare.ts'
import { startServer } from '../kit/processes.ts'
import { EVENTS, LIMIT } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'
import { formatNumber, type Row } from '../kit/row.ts'

const BAR = 1.3

/** Each walk starts at another second, so that none of its pages was asked for before. */
export const deepPage: Row = {
  name: 'deep-page',
  what: (sizes) => `page ${sizes.walks.pages} of a walk through ${formatNumber(sizes.events)} events`,
  async measure(bench) {
    const { count, pages } = bench.sizes.walks
    const env = { EVENTS_CONFIG: await bench.loaded(), EVENTS_SERVER_ROLES: 'api' }
    await using server = await startServer('server.ts', { env, core: 'server' })
    const client = new Client(server.origin)
    const walks = []
    const random = createRandom(0)
    for (let i = 0; i < count; i++) {
      const start = new Date(Date.UTC(2019, 0) + random(86_400) * 1000).toISOString().slice(0, 19)
      walks.push(await walk(client, `${EVENTS}?start_date=${start}&limit=${LIMIT}`, pages))
    }
    await client.close()
    const [first, last] = [median(walks.map(({ first }) => first)), median(walks.map(({ last }) => last))]
    return {
      ours: `${formatNumber(last)} ms`,
      comparedWith: `${formatNumber(first)} ms: page 1 of the same walk`,
      ratio: `${(last / first).toFixed(2)} (median of ${count} walks)`,
      bar: `≤ ${BAR.toFixed(2)}`,
      met: last / first <= BAR
    }
  }
}

/** @returns milliseconds of the first and the last page */
async function walk(client: Client, path: string, pages: number): Promise<{ first: number; last: number }> {
  const milliseconds: number[] = []
  let cursor = ''
  for (let page = 1; page <= pages; page++) {
    const started = performance.now()
    const { body } = await client.request({ method: 'GET', path: path + cursor })
    const answer = await body.text()
    milliseconds.push(performance.now() - started)
    const { next_cursor } = JSON.parse(answer).page
    if (next_cursor === null) throw new Error(`${path} has no page ${page + 1}`)
    cursor = `&cursor=${next_cursor}`
  }
  return { first: milliseconds[0]!, last: milliseconds.at(-1)! }
}
