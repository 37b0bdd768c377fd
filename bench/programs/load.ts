import autocannon from 'autocannon'
import { CONNECTIONS, type LoadOptions } from '../kit/load.ts'
import { variedPath } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'

/** More than a connection gets answered in a round, so that none is asked for twice. */
const REQUESTS_EACH = 5000

/** Asks as fast as it can, and prints how many requests a second were answered. */
const { origin, connections = CONNECTIONS, seconds, ask, headers = {} }: LoadOptions = JSON.parse(process.argv[2]!)
const random = 'seed' in ask ? createRandom(ask.seed) : undefined

const result = await autocannon({
  url: origin,
  duration: seconds,
  connections,
  headers,
  ...('path' in ask && { requests: [{ path: ask.path }] }),
  ...(random && {
    setupClient: (client) =>
      client.setRequests(Array.from({ length: REQUESTS_EACH }, () => ({ path: variedPath(random) })))
  })
})
const wrong = result.non2xx - result['3xx']
if (wrong + result.errors > 0) throw new Error(`${wrong} answers were errors, ${result.errors} failed`)
console.log(JSON.stringify(result.requests.average))
