import type { Storage, WriteOptions } from '../kit/contract.ts'
import { type EncodedContent, encodeContent, keepLast, nextLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import { judgeWrite } from '../kit/judge-write.ts'
import { noteRepeated } from '../kit/open-run.ts'
import { archive } from './archive.ts'
import { STATE_COLUMNS, stateColumns } from './columns.ts'
import { beginChanges, type Changes, countListed, sourceNumber } from './counters.ts'
import type { Database, SqlValue } from './database.ts'
import { toBlob } from './ids.ts'
import { addWords, dropWords, isIndexed } from './indexes.ts'

export function createWrite(database: Database): Pick<Storage, 'write'> {
  const { get, run, fenced } = database

  function insert(id: Uint8Array, encoded: EncodedContent, source: number, writing: Writing): number {
    const state = toState(encoded, undefined, writing)
    const { lastInsertRowid } = run(
      INSERT,
      id,
      source,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      writing.changes.next(),
      writing.runId,
      ...state
    )
    if (writing.isIndexed) addWords(database, lastInsertRowid, state[WORDS] as string)
    return lastInsertRowid
  }

  function update(seq: number, encoded: EncodedContent, writing: Writing): void {
    const before = get('select * from events where seq = ?', seq)!
    const state = toState(encoded, JSON.parse(before.json as string) as Event, writing)
    archive(database, seq, writing.changes.now)
    // Only what changes: each column that is set rewrites every index that has it.
    const set = COLUMNS.map((name, i) => ({ name, value: state[i]! })).filter(
      ({ name, value }) => before[name] !== value
    )
    run(
      `update events set version = version + 1, piece = ?, as_of = ?, change = ?, run_id = ?,
         ${set.map(({ name }) => `${name} = ?`).join(', ')} where seq = ?`,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      writing.changes.next(),
      writing.runId,
      ...set.map(({ value }) => value),
      seq
    )
    if (writing.isIndexed && before.words !== state[WORDS]) {
      dropWords(database, seq, before.words as string)
      addWords(database, seq, state[WORDS] as string)
    }
  }

  return {
    write: (opened, events, { listed = true, pieces = NO_PIECES, asOf = opened.lease.token } = {}) =>
      fenced(opened, () => {
        const unique = keepLast(events)
        const counts = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: events.length - unique.length }
        const changes = beginChanges(database, opened.lease.now())
        const writing = { runId: opened.id, changes, isIndexed: isIndexed(database), listed, pieces, asOf }
        const source = sourceNumber(database, opened.source)
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
            continue
          }
          const seq = known.seq as number
          const isListed = known.listed === 1
          const before = { fingerprint: known.fingerprint as string, isListed, asOf: known.as_of as number }
          const { isNewer, isSame, countsAs } = judgeWrite(before, encoded.fingerprint, writing)
          if (!isSame) {
            update(seq, encoded, writing)
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
        changes.save()
        countListed(database, source, moved)
        return counts
      })
  }
}

interface Writing extends Required<WriteOptions> {
  runId: string
  changes: Changes
  isIndexed: boolean
}

const NO_PIECES: ReadonlyMap<string, string> = new Map()

const COLUMNS = [...STATE_COLUMNS, 'fingerprint', 'json']
const [WORDS, STARTS, ENDS, LOCAL_START, LOCAL_END] = (
  ['words', 'starts', 'ends', 'local_start', 'local_end'] as const
).map((name) => STATE_COLUMNS.indexOf(name)) as [number, number, number, number, number]

const INSERT = `insert into events (version, id, source, piece, as_of, change, run_id, ${COLUMNS.join(', ')})
  values (1, ?, ?, ?, ?, ?, ?, ${COLUMNS.map(() => '?').join(', ')})`
/** In the order of COLUMNS. */
function toState(encoded: EncodedContent, before: Event | undefined, { changes, listed }: Writing): SqlValue[] {
  const { content, json, fingerprint } = encoded
  const life = nextLife(content, before, { now: changes.at, listed })
  const state = stateColumns(content, life)
  changes.noteAhead((state[LOCAL_START] as number) - (state[STARTS] as number))
  changes.noteAhead((state[LOCAL_END] as number) - (state[ENDS] as number))
  return [...state, fingerprint, `${json.slice(0, -1)},${JSON.stringify(life).slice(1)}`]
}
