import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Missing, Storage } from '../kit/contract.ts'
import { findKnown } from '../kit/pieces.ts'
import { archive } from './archive.ts'
import { beginChanges, countListed, sourceNumber } from './counters.ts'
import type { Database } from './database.ts'
import { toBlob } from './ids.ts'
import { toSeconds } from './time.ts'

const DELIST_BATCH = 500
/** A source that never had a run has no number. */
const LISTED = 'where source = (select no from sources where name = ?) and listed = 1'

const DELIST = `update events set listed = 0, version = version + 1, updated = ?2, change = ?3, run_id = ?4,
  json = json_set(json, '$.status', 'delisted', '$.updated_at', ?1, '$.delisted_at', ?1) where seq = ?5`

type Listing = Pick<Storage, 'meet' | 'findPieces' | 'missing' | 'delist'>

/** Which events a run met, and what becomes of the others. */
export function createListing(database: Database): Listing {
  const { get, iterate, run, fenced } = database
  return {
    meet: (opened, ids) =>
      fenced(opened, () => {
        for (const id of ids) {
          const known = get('select seq from events where id = ? and listed = 1', toBlob(id))
          if (known !== undefined) opened.met.add(known.seq as number)
        }
      }),

    findPieces: (opened, pieces) =>
      fenced(opened, () =>
        findKnown(pieces, (id) => {
          const known = get('select seq, piece, listed from events where id = ?', toBlob(id))
          return (
            known && { seq: known.seq as number, piece: known.piece as string | null, isListed: known.listed === 1 }
          )
        })
      ),

    missing: (opened, now) =>
      fenced(opened, () => {
        const missing: Missing = { all: [], future: [], listedFuture: 0 }
        // None can be missing where as many are listed as were met; then there is nothing to read them for.
        const listed = get(`select count(*) as n from events ${LISTED}`, opened.source)!
        if (listed.n === opened.met.size) return missing
        const future = toSeconds(now)
        for (const row of iterate(`select seq, starts from events ${LISTED}`, opened.source)) {
          const isFuture = (row.starts as number) > future
          if (isFuture) missing.listedFuture++
          if (opened.met.has(row.seq as number)) continue
          missing.all.push(row.seq as number)
          if (isFuture) missing.future.push(row.seq as number)
        }
        return missing
      }),

    async delist(opened, numbers) {
      let delisted = 0
      for (let i = 0; i < numbers.length; i += DELIST_BATCH) {
        // Others want to be answered meanwhile.
        await nextTurn()
        const batch = numbers.slice(i, i + DELIST_BATCH).filter((seq) => !opened.met.has(seq))
        delisted += await fenced(opened, () => {
          const source = sourceNumber(database, opened.source)
          const changes = beginChanges(database, opened.lease.now())
          let count = 0
          for (const seq of batch) {
            if (get('select 1 from events where seq = ? and source = ? and listed = 1', seq, source) === undefined)
              continue
            archive(database, seq, changes.now)
            run(DELIST, changes.at, changes.now, changes.next(), opened.id, seq)
            count++
          }
          changes.save()
          countListed(database, source, { listed: -count, delisted: count })
          return count
        })
      }
      return delisted
    }
  }
}
