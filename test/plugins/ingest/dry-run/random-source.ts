import type { Random } from '../../../../bench/kit/random.ts'
import { list } from '../../../make-feed.ts'

/** What a provider has, and how it changes. */
interface State {
  /** Base elements, each with its events. */
  bases: Base[]
}
interface Base {
  id: number
  title: string
  events: RandomEvent[]
}
interface RandomEvent {
  id: number
  start: string
  soldOut: boolean
  zones: string[]
}

const pick = <T>(values: readonly T[], random: Random) => values[random(values.length)]!
const many = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, i) => make(i))

const makeZone = (random: Random) =>
  `<zone zone_id="${random(3)}" capacity="${random(4)}" price="${random(3)}.50" name="${pick(['A', 'Ñandú', ''], random)}" numbered="true"/>`

const makeEvent = (id: number, random: Random): RandomEvent => ({
  id,
  start: `${pick(['2020', '2034', '2035'], random)}-05-0${1 + random(9)}`,
  soldOut: random(2) === 0,
  zones: many(random(4), () => makeZone(random))
})

function makeBase(id: number, random: Random): Base {
  // Events 0 and 1 of several bases; some twice in one of them.
  return {
    id,
    title: `Base ${random(3)}`,
    events: many(1 + random(2), (i) => makeEvent(random(9) === 0 ? 0 : i, random))
  }
}

function writeBase({ id, title, events }: Base, isRead: boolean, random: Random): string {
  const written = events.map(({ id, start, soldOut, zones }) => {
    const flaw = random(30) === 0 ? '31' : ''
    return `<event event_start_date="${start}${flaw}T20:00:00" event_id="${id}" sold_out="${soldOut}" sell_from="2020-01-01T00:00:00"
      sell_to="2035-01-01T00:00:00">${zones.join('')}</event>`
  })
  // With a tab it is not passed over, whether it is known or not.
  const blank = isRead ? '\t' : ' '
  return `<base_event${blank}base_event_id="${id}" sell_mode="online" title="${title}">${written.join('')}</base_event>\n`
}

/** The documents that a provider has one after the other, each somewhat other than the one before. */
export function createRandomSource(size: number, random: Random): () => string {
  const state: State = { bases: many(size, (i) => makeBase(i, random)) }
  const first = structuredClone(state.bases)

  function change(): void {
    const former = structuredClone(state.bases)
    const some = (count: number) => many(random(count + 1), () => random(state.bases.length))
    for (const at of some(size / 10)) state.bases[at] = makeBase(state.bases[at]!.id, random)
    for (const at of some(size / 10)) state.bases[at]!.title = `Base ${random(9)}`
    for (const at of some(size / 20)) state.bases.splice(at, 1)
    // New ones, and such as were there before.
    for (const at of some(size / 20)) state.bases.splice(at, 0, makeBase(random(size * 2), random))
    for (const at of some(size / 20)) state.bases.splice(at, 0, first[random(first.length)]!)
    // The same once more, far away, as it is and as it was.
    for (const at of some(size / 20)) state.bases.push(structuredClone(state.bases[at]!))
    for (const at of some(size / 10)) if (at < former.length) state.bases.push(former[at]!)
    if (random(8) === 0) state.bases.reverse()
    if (random(4) === 0) state.bases.splice(0, random(state.bases.length))
    while (state.bases.length < size / 2) state.bases.push(makeBase(random(size * 2), random))
  }

  let document = ''
  return () => {
    if (document !== '' && random(4) === 0) return document
    change()
    // So many are read that there are several batches of them, or few.
    const share = random(2) === 0 ? 2 : 20
    document = list(...state.bases.map((base) => writeBase(base, random(share) === 0, random)))
    if (random(8) === 0) document = document.slice(0, random(document.length))
    return document
  }
}
