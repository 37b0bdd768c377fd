import type { Storage, WriteOptions } from '../kit/contract.ts'
import { type EncodedContent, type EventLife, encodeContent, keepLast, nextLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import { judgeWrite } from '../kit/judge-write.ts'
import { noteRepeated } from '../kit/open-run.ts'
import { countListed, growRevision, sourceNumber } from './counters.ts'
import type { Database } from './database.ts'
import { toBlob, toSeconds } from './query.ts'

export function createWrite(database: Database): Pick<Storage, 'write'> {
  const { get, run, fenced } = database

  function insert(id: Uint8Array, encoded: EncodedContent, source: number, writing: Writing): number {
    const result = run(
      INSERT,
      id,
      source,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      ...columnValues(encoded, nextLife(encoded.content, undefined, writing))
    )
    return result.lastInsertRowid
  }

  function update(seq: number, encoded: EncodedContent, writing: Writing): void {
    const before = JSON.parse(get('select json from events where seq = ?', seq)!.json as string) as Event
    run(
      UPDATE,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      ...columnValues(encoded, nextLife(encoded.content, before, writing)),
      seq
    )
  }

  return {
    write: (opened, events, { listed = true, pieces = NO_PIECES, asOf = opened.lease.token } = {}) =>
      fenced(opened, () => {
        const unique = keepLast(events)
        const counts = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: events.length - unique.length }
        const writing = { now: opened.lease.now().toISOString(), listed, pieces, asOf }
        const source = sourceNumber(database, opened.source)
        let changes = 0
        const moved = { listed: 0, delisted: 0 }
        for (const event of unique) {
          const encoded = encodeContent(event)
          const id = toBlob(event.id)
          const known = get('select seq, fingerprint, piece, as_of, listed from events where id = ?', id)
          if (known === undefined) {
            const seq = insert(id, encoded, source, writing)
            if (listed) opened.met.add(seq)
            counts.created++
            moved[listed ? 'listed' : 'delisted']++
            changes++
            continue
          }
          const seq = known.seq as number
          const isListed = known.listed === 1
          const before = { fingerprint: known.fingerprint as string, isListed, asOf: known.as_of as number }
          const { isNewer, isSame, countsAs } = judgeWrite(before, encoded.fingerprint, writing)
          if (!isSame) {
            update(seq, encoded, writing)
            changes++
            if (listed && !isListed) {
              moved.listed++
              moved.delisted--
            }
          } else if (!isNewer && known.piece !== (pieces.get(event.id) ?? known.piece)) {
            run('update events set piece = ? where seq = ?', pieces.get(event.id)!, seq)
          }
          if (opened.met.has(seq)) {
            counts.duplicates++
            noteRepeated(opened, event.id)
          } else counts[countsAs]++
          if (listed || isListed) opened.met.add(seq)
        }
        growRevision(database, changes)
        countListed(database, source, moved)
        return counts
      })
  }
}

interface Writing extends Required<WriteOptions> {
  now: string
}

const NO_PIECES: ReadonlyMap<string, string> = new Map()

const COLUMNS = [
  'listed',
  'ever_online',
  'online',
  'starts',
  'ends',
  'local_start',
  'local_end',
  'fingerprint',
  'json'
] as const

const INSERT = `insert into events (id, source, piece, as_of, ${COLUMNS.join(', ')})
  values (?, ?, ?, ?, ${COLUMNS.map(() => '?').join(', ')})`
const UPDATE = `update events set piece = ?, as_of = ?, ${COLUMNS.map((name) => `${name} = ?`).join(', ')} where seq = ?`

/** In the order of COLUMNS. */
function columnValues({ content, json, fingerprint }: EncodedContent, life: EventLife): (number | string)[] {
  const starts = toSeconds(content.starts_at)
  const localStart = toSeconds(content.start_date)
  return [
    life.status === 'listed' ? 1 : 0,
    life.ever_online ? 1 : 0,
    content.sell_mode === 'online' ? 1 : 0,
    starts,
    content.ends_at === null ? starts : toSeconds(content.ends_at),
    localStart,
    content.end_date === null ? localStart : toSeconds(content.end_date),
    fingerprint,
    `${json.slice(0, -1)},${JSON.stringify(life).slice(1)}`
  ]
}
