import { randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Event } from '../kit/event.ts'
import { STATE_COLUMNS, stateColumns } from './columns.ts'
import { BUILD_ALL } from './indexes.ts'

const STATE = `ever_online int not null, online int not null, listed int not null,
  starts int not null, ends int not null, local_start int not null, local_end int not null,
  sold_out int not null, max_capacity int, sale_from int, sale_to int, min_price real not null,
  max_price real, updated int not null, organizer text, words text not null, base_event text not null,
  title_key text not null`

/**
 * `json` is the last column, for what stands behind a long one is slow to read. Words are folded already: what is not
 * ASCII is part of a word to the tokenizer `ascii`. `int` and few blanks, so that the schema fits into the first page of
 * the file: with that alone a service starts, and can wait for a damaged file to be mended.
 */
const SCHEMA = `
  alter table events rename to former_events;
  create table events (
    seq integer primary key, id blob not null unique, source int not null references sources,
    fingerprint text not null, piece text, as_of int not null, version int not null, change int not null,
    run_id text, ${STATE}, json text not null) strict;
  create table versions (
    no integer primary key, event int not null, id blob not null, source int not null,
    version int not null, change int not null, run_id text, replaced int not null, ${STATE},
    json text not null) strict;
  create virtual table event_words using fts5 (
    words, content=events, content_rowid=seq, tokenize=ascii, detail=none, columnsize=0);
  create virtual table event_terms using fts5vocab (event_words, instance);
  create table secrets (no integer primary key, secret text not null) strict`

const INDEXES = `
  drop table former_events;
  create index events_by_source on events (source, listed);
  create index events_by_change on events (change);
  create unique index versions_by_event on versions (event, version);
  create index versions_by_change on versions (change);
  create index versions_by_replaced on versions (replaced, change);
  create index versions_by_start on versions (starts, id, replaced, updated)`

/**
 * Everything that filters and sorts look at, histories and numbered changes. Of events that were there before, the
 * history begins now, and they count as changed in the order of their times.
 */
export function addHistory(db: DatabaseSync): void {
  db.exec(SCHEMA)
  db.prepare('insert into secrets values (1, ?)').run(randomBytes(32).toString('hex'))
  const columns = ['seq', 'id', 'source', 'fingerprint', 'piece', 'as_of', 'change', ...STATE_COLUMNS, 'json']
  const insert = db.prepare(
    `insert into events (version, ${columns.join(', ')}) values (1, ${columns.map(() => '?').join(', ')})`
  )
  const former = `select seq, id, source, fingerprint, piece, as_of,
    row_number() over (order by json ->> '$.updated_at', seq) as change, json from former_events`
  let count = 0
  for (const { json, ...row } of db.prepare(former).iterate()) {
    const event = JSON.parse(json as string) as Event
    insert.run(...(Object.values(row) as (string | number)[]), ...stateColumns(event, event), json as string)
    count++
  }
  db.exec(INDEXES)
  db.exec(`
    update meta set value = max(value, ${count}) where key = 'revision';
    insert into meta
      select 'last_change_at', coalesce(max(updated), 0) from events
      union all select 'most_ahead', coalesce(max(max(local_start - starts, local_end - ends)), -57600) from events
      union all select 'least_ahead', coalesce(min(min(local_start - starts, local_end - ends)), 57600) from events
      union all select 'history_since', ${count === 0 ? 0 : Date.now()}
      union all select 'last_forgotten', 0
      union all select 'indexed', 0`)
  if (count > 0) db.exec(BUILD_ALL)
}
