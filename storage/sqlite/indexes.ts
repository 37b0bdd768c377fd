import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenRun } from '../kit/contract.ts'
import { type Database, NOW_MS } from './database.ts'

/**
 * What filters look at, so that a row is read only when it is in the answer. Not `updated`, which every change changes: it
 * is where it is looked at most.
 */
const FILTERED =
  `ever_online, online, listed, starts, ends, local_start, local_end, source, sold_out, max_capacity, sale_from,
  sale_to, min_price, max_price, organizer, words`.split(/,\s*/)

function inOrder(name: string, ...keys: string[]): string {
  return `create index if not exists events_${name} on events (${[...new Set([...keys, ...FILTERED])].join(',')})`
}

/**
 * Indexes that only readers need, and that of words. They are built at the end of a store's first run: to sort is sooner
 * done than to insert. `events_pages` holds the events themselves, in the order in which most lists show them.
 */
const READING = [
  `create index if not exists events_pages on events
     (ever_online, starts, id, ends, local_start, local_end, online, source, json)`,
  inOrder('by_start', 'starts', 'id', 'updated'),
  `${inOrder('long', 'starts', 'id', 'updated')} where ends - starts > 604800`,
  inOrder('by_end', 'ends', 'id'),
  inOrder('by_title', 'title_key', 'id'),
  inOrder('by_updated', 'updated', 'id'),
  inOrder('by_price', 'min_price', 'id'),
  'create index if not exists events_by_base on events (base_event)',
  'create index if not exists events_by_organizer on events (organizer)',
  `insert into event_words (rowid, words) select seq, words from events order by seq;
   update meta set value = 1 where key = 'indexed'`
]

export const BUILD_ALL = READING.join(';\n')

export function isIndexed({ get }: Pick<Database, 'get'>): boolean {
  return get("select value from meta where key = 'indexed'")?.value === 1
}

/** The page cache while they are built, in KB: to sort takes as much memory again. */
const SORTING_KB = 2048

/** At the end of a run: where they are not there yet, each in a transaction of its own, so that others can write between. */
export async function buildIndexes(database: Database, opened: Pick<OpenRun, 'lease'>): Promise<void> {
  if (await database.attempt(() => isIndexed(database))) return
  for (const sql of READING) {
    // A timer, for those that are due come first: leases are renewed between any two.
    await sleep(1)
    await database.fenced(opened, () => {
      // Of two runs that end at once, one has done it.
      if (isIndexed(database)) return
      const { start } = database.get(`select ${NOW_MS} as start`)!
      build(database, sql)
      // Nobody could renew a lease meanwhile, nor take one that ran out: there was no other writer.
      database.run(`update leases set expires = expires + ${NOW_MS} - ?`, start as number)
    })
  }
}

/** In one go: runs that end at once build in turns, on one connection, and each would take the other's cache for the usual one. */
function build({ get, exec }: Database, sql: string): void {
  const { cache_size } = get('pragma cache_size')!
  exec(`pragma cache_size = -${SORTING_KB}`)
  try {
    exec(sql)
  } finally {
    exec(`pragma cache_size = ${cache_size}`)
  }
}

/** Where they are indexed. Not by a trigger: then FTS5 would write a part of its index for each event, not for each batch. */
export function addWords({ run }: Database, seq: number, words: string): void {
  run('insert into event_words (rowid, words) values (?, ?)', seq, words)
}

/** @param words what was added */
export function dropWords({ run }: Database, seq: number, words: string): void {
  run("insert into event_words (event_words, rowid, words) values ('delete', ?, ?)", seq, words)
}
