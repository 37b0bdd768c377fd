import type { EventFilters } from '../kit/filters.ts'
import type { Database, SqlValue } from './database.ts'

/** So many are sooner fetched and sorted than looked for in the order of the answer. */
const FEW = 2000
const LIST = '(select value from json_each(?))'

/** @returns as JSON the numbers of the events that can match, if some index finds that they are few */
export function findCandidates({ get }: Database, filters: EventFilters): string | null {
  for (const { select, values } of toProbes(filters)) {
    const { n, list } = get(
      `select count(*) as n, json_group_array(no) as list from (${select} limit ${FEW + 1})`,
      ...values
    )!
    if ((n as number) <= FEW) return list as string
  }
  return null
}

/** What is asked of which index. */
export function toProbes({ baseEvents, organizers, sources, statuses, words = [], updatedSince }: EventFilters) {
  const probes: { select: string; values: SqlValue[] }[] = []
  const add = (select: string, ...values: SqlValue[]) => probes.push({ select, values })
  if (baseEvents !== undefined) add(BY_BASE, JSON.stringify(baseEvents))
  if (organizers !== undefined) add(BY_ORGANIZER, JSON.stringify(organizers))
  const [whole, [beginning]] = [words.slice(0, -1), words.slice(-1)]
  if (beginning !== undefined) add(BY_BEGINNING, beginning, beginning + LAST)
  if (whole.length > 0) add(BY_WORDS, whole.map((word) => `"${word}"`).join(' '))
  const listed = [...new Set(statuses)].map((status) => (status === 'listed' ? 1 : 0))
  if (sources !== undefined)
    add(`${BY_SOURCE} and listed in (${listed.length === 1 ? listed : '0, 1'})`, JSON.stringify(sources))
  else if (listed.length === 1) add(`${OF_ALL_SOURCES} and listed = ${listed}`)
  if (updatedSince !== undefined) add(BY_UPDATED, Date.parse(updatedSince))
  return probes
}

const BY_BASE = `select seq as no from events indexed by events_by_base where base_event in ${LIST}`
const BY_ORGANIZER = `select seq as no from events indexed by events_by_organizer where organizer in ${LIST}`
const BY_SOURCE = `select seq as no from events indexed by events_by_source
  where source in (select no from sources where name in ${LIST})`
const OF_ALL_SOURCES = `select seq as no from events indexed by events_by_source where source in (select no from sources)`
const BY_UPDATED = 'select seq as no from events indexed by events_by_updated where updated >= ?'
const BY_WORDS = 'select rowid as no from event_words where event_words match ?'
/** Not by `match`: that first reads all events with any word that begins so, whatever the limit. */
const BY_BEGINNING = 'select doc as no from event_terms where term >= ? and term < ?'
/** After every character that a word can have. */
const LAST = '\u{10ffff}'
