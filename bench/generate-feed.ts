import { writeFile } from 'node:fs/promises'
import { createRandom, type Random } from './kit/random.ts'

export interface FeedSize {
  /** The feed ends at the first base event that reaches either. */
  events?: number
  megabytes?: number
  seed?: number
  /** Of each event; left out: 1 to 4. */
  zones?: number
}

export interface GeneratedFeed {
  file: string
  events: number
  bytes: number
}

/** First and last day on which events start. */
export const FEED_DAYS = { first: '2019-01-01', last: '2024-12-31' }

/** Writes a feed in the provider's second dialect, about 600 bytes an event: the same bytes for the same size and seed. */
export async function generateFeed(file: string, size: FeedSize): Promise<GeneratedFeed> {
  const feed = { file, events: 0, bytes: 0 }
  await writeFile(file, writePieces(feed, size))
  return feed
}

const PIECE = 65_536
const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<eventList xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="1.0" xsi:noNamespaceSchemaLocation="eventList.xsd">
   <output>
`
const TAIL = '   </output>\n</eventList>\n'

function* writePieces(feed: GeneratedFeed, { events = Infinity, megabytes = Infinity, seed = 1, zones }: FeedSize) {
  const random = createRandom(seed)
  let piece = HEAD
  for (let base = 1; feed.events < events && feed.bytes + piece.length < megabytes * 1e6; base++) {
    const count = Math.min(1 + random(2) * random(3), events - feed.events)
    piece += writeBaseEvent(base, feed.events + 1, count, random, zones)
    feed.events += count
    if (piece.length < PIECE) continue
    feed.bytes += Buffer.byteLength(piece)
    yield piece
    piece = ''
  }
  feed.bytes += Buffer.byteLength(piece + TAIL)
  yield piece + TAIL
}

const ARTISTS = ['Camela', 'Pantomima Full', 'Los Morancos', 'Tributo a Queen', 'El Ni&#241;o', 'Orquesta Sinfónica']
const SHOWS = ['en concierto', '&amp; friends', 'gira de despedida', 'tribute to the 80s', 'sesión especial']
const ZONES = ['Platea', 'Grada 2', 'A28', 'Amfiteatre', 'Tribuna Central', 'Palco &quot;Norte&quot;']

function writeBaseEvent(base: number, firstEvent: number, count: number, random: Random, zones?: number): string {
  const sellMode = random(6) === 0 ? 'offline' : 'online'
  const organizer = random(3) === 0 ? '' : ` organizer_company_id="${1 + random(50)}"`
  const title = `${pick(ARTISTS, random)} ${pick(SHOWS, random)} ${base}`
  let xml = `      <base_event base_event_id="${base}" sell_mode="${sellMode}"${organizer} title="${title}">\n`
  for (let event = firstEvent; event < firstEvent + count; event++) xml += writeEvent(event, random, zones)
  return `${xml}      </base_event>\n`
}

const DAY_MS = 86_400_000
const FIRST_DAY = Date.parse(FEED_DAYS.first)
const DAYS = (Date.parse(FEED_DAYS.last) - FIRST_DAY) / DAY_MS + 1

function writeEvent(event: number, random: Random, zones = 1 + random(4)): string {
  const start = FIRST_DAY + random(DAYS) * DAY_MS + (40 + random(48)) * 900_000
  const end = start + (4 + random(12)) * 900_000
  const sale = start - (1 + random(90)) * DAY_MS
  const dates = `event_start_date="${local(start)}" event_end_date="${local(end)}"`
  const sold = `sell_from="${local(sale)}" sell_to="${local(start - 3_600_000)}" sold_out="${random(10) === 0}"`
  let xml = `         <event ${dates} event_id="${event}" ${sold}>\n`
  for (let zone = zones; zone > 0; zone--) xml += writeZone(random)
  return `${xml}         </event>\n`
}

function writeZone(random: Random): string {
  const [id, capacity, price, name] = [1 + random(400), random(500), 5 + random(90), pick(ZONES, random)]
  return `            <zone zone_id="${id}" capacity="${capacity}" price="${price}.00" name="${name}" numbered="${random(2) === 0}" />\n`
}

function pick(values: string[], random: Random): string {
  return values[random(values.length)]!
}

function local(time: number): string {
  return new Date(time).toISOString().slice(0, 19)
}
