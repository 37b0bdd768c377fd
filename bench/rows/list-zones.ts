import type { Bench } from '../kit/bench.ts'
import { ingest } from '../kit/ingest.ts'
import { compareLoad } from '../kit/load.ts'
import { REPEATED_PATH } from '../kit/queries.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'
import { VARIED_BAR, variedSamples } from './list-varied.ts'

const ZONES = 200
const REPEATED_BAR = 0.9

const what = (events: number, how: string) =>
  `list of 20 of ${formatNumber(events)} events with ${ZONES} zones each, ${how}`

export const zonesRepeated: Row = {
  name: 'list-zones-repeated',
  what: (sizes) => what(sizes.zonesEvents, 'the same query every time'),
  async measure(bench) {
    const env = { EVENTS_CONFIG: await loadZones(bench) }
    const comparison = await compareLoad(bench, { env, samples: [REPEATED_PATH], ask: () => ({ path: REPEATED_PATH }) })
    return rateResult(comparison, 'requests/s', 'bare Fastify route, same bytes', REPEATED_BAR)
  }
}

export const zonesVaried: Row = {
  name: 'list-zones-varied',
  what: (sizes) => what(sizes.zonesEvents, 'every query different'),
  async measure(bench) {
    const env = { EVENTS_CONFIG: await loadZones(bench) }
    const comparison = await compareLoad(bench, { env, samples: variedSamples(), ask: (nth) => ({ seed: nth }) })
    return rateResult(comparison, 'requests/s', 'bare Fastify route, an answer of the same size', VARIED_BAR)
  }
}

let loaded: Promise<string> | undefined

function loadZones(bench: Bench): Promise<string> {
  loaded ??= load(bench)
  return loaded
}

async function load(bench: Bench): Promise<string> {
  const feed = await bench.generate('zones', { events: bench.sizes.zonesEvents, zones: ZONES })
  const config = await bench.configure('zones', feed)
  await ingest(config, feed, { created: feed.events })
  return config
}
