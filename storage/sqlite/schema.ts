import type { DatabaseSync } from 'node:sqlite'
import { StorageUnusable } from '../kit/errors.ts'
import { addHistory } from './add-history.ts'

/**
 * One entry a version, never changed once released. Times in `events` are seconds since 1970, so that an index entry
 * stays small; those without an end end when they start.
 */
const MIGRATIONS: (string | ((db: DatabaseSync) => void))[] = [
  `create table meta (key text primary key, value integer not null) strict, without rowid;
   insert into meta values ('revision', 0);
   create table sources (no integer primary key, name text not null unique, state text, last_success_at text) strict;
   create table events (
     seq integer primary key, id blob not null unique, source integer not null references sources,
     ever_online integer not null, online integer not null, listed integer not null,
     starts integer not null, ends integer not null, local_start integer not null, local_end integer not null,
     fingerprint text not null, json text not null) strict;
   create index events_by_start on events (ever_online, starts, id, ends, local_start, local_end, online, source);
   create index events_by_source on events (source, listed);
   create table leases (name text primary key, holder text, token integer not null, expires integer not null)
     strict, without rowid;
   create table runs (
     id text primary key, source text not null, token integer not null, started_at text not null, finished_at text,
     outcome text, reason text, detail text, counts text not null) strict, without rowid;
   create index runs_by_source on runs (source, token, id);
   create table rejects (
     id text primary key, source text not null, run_id text not null, reason text not null, path text not null,
     raw text not null, event_id text, first_seen_at text not null, last_seen_at text not null,
     count integer not null) strict, without rowid;
   create index rejects_by_source on rejects (source, last_seen_at, id);`,
  `alter table events add column piece text;
   alter table events add column as_of integer not null default 0;
   alter table rejects add column token integer not null default 0;
   alter table sources add column snapshot_at text;
   alter table sources add column failures integer not null default 0;
   alter table sources add column retry_at text;
   alter table sources add column suspicion text;
   alter table runs add column kind text not null default 'fetch';
   create table run_totals (
     source text not null, kind text not null, outcome text not null, reason text not null, runs integer not null,
     primary key (source, kind, outcome, reason)) strict, without rowid;
   create table snapshots (
     run_id text primary key, source text not null, token integer not null, digest text not null, charset text,
     bytes integer not null, size integer not null, kept_at text not null) strict, without rowid;
   create index snapshots_by_source on snapshots (source, token, run_id);
   create table bodies (
     run_id text not null, part integer not null, source text not null, data blob not null,
     unique (run_id, part)) strict;
   create index bodies_by_source on bodies (source, run_id);`,
  `alter table leases add column taken_at integer not null default 0;
   alter table leases add column attended_at integer;
   alter table leases add column unfinished integer not null default 0;
   alter table leases add column vanished integer not null default 0;
   create table commands (
     no integer primary key, id text not null unique, source text not null, kind text not null,
     asked_at integer not null, finished_at integer, outcome text, detail text, result text,
     attempts integer not null default 0) strict;
   create index commands_by_source on commands (source, no);
   create index commands_waiting on commands (no) where finished_at is null;
   create index commands_switching on commands (kind, source, no) where kind in ('pause', 'resume');
   alter table sources add column created integer not null default 0;
   alter table sources add column updated integer not null default 0;
   alter table sources add column restored integer not null default 0;
   alter table sources add column removed integer not null default 0;
   alter table sources add column rejected integer not null default 0;
   alter table sources add column listed_events integer not null default 0;
   alter table sources add column delisted_events integer not null default 0;
   update sources set
     listed_events = (select count(*) from events where source = no and listed = 1),
     delisted_events = (select count(*) from events where source = no and listed = 0);
   create table alerts (no integer primary key, json text not null) strict;`,
  addHistory
]

/**
 * Several processes may do this at once: the immediate transaction lets one through, the others find it done. It is begun
 * even then, so that a file that cannot be written is found now, not at the first run.
 */
export function migrate(db: DatabaseSync, path: string): void {
  // WAL: readers and the one writer do not wait for each other.
  db.exec('pragma journal_mode = wal')
  db.exec('begin immediate')
  try {
    const from = version(db)
    if (from > MIGRATIONS.length) {
      throw new StorageUnusable(
        `${path} was written by a newer Event Service (schema ${from}, this one knows ${MIGRATIONS.length}): ` +
          'run that version, or set [sqlite] path to another file'
      )
    }
    for (const migration of MIGRATIONS.slice(from)) {
      if (typeof migration === 'string') db.exec(migration)
      else migration(db)
    }
    db.exec(`pragma user_version = ${MIGRATIONS.length}`)
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  }
}

export function isMigrated(db: DatabaseSync): boolean {
  return version(db) === MIGRATIONS.length
}

function version(db: DatabaseSync): number {
  return (db.prepare('pragma user_version').get() as { user_version: number }).user_version
}
