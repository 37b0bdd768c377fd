import { Bitmap } from '../../../storage/kit/bitmap.ts'
import type { KnownEvent, Lease, OpenRun, Storage } from '../../../storage/kit/contract.ts'
import { encodeContent, keepLast } from '../../../storage/kit/encode.ts'
import { LeaseLost, StorageUnavailable } from '../../../storage/kit/errors.ts'
import { judgeWrite } from '../../../storage/kit/judge-write.ts'
import { newRun, noteRepeated } from '../../../storage/kit/open-run.ts'
import { findKnown } from '../../../storage/kit/pieces.ts'
import { timeNow } from '../vanish-guard.ts'
import { ChangeList } from './change-list.ts'
import { type Changed, type Created, type DryRunResult, MOST, type Rejected, type Summary } from './result.ts'
import { showChanged, showCreated, showGone, showRejected } from './show.ts'
import { shortDigest, WrittenEvents } from './written-events.ts'

/** All that a fetch asks of a storage: of the rest there is nothing that could be called. */
type FetchStorage = Pick<
  Storage,
  | 'openRun'
  | 'sources'
  | 'write'
  | 'meet'
  | 'findPieces'
  | 'writeRejects'
  | 'missing'
  | 'delist'
  | 'snapshots'
  | 'writeBody'
  | 'keepSnapshot'
  | 'closeRun'
>

export interface DryStorage {
  storage: FetchStorage
  /** What would have changed; once the run is closed. */
  changes(): Promise<DryRunResult['changes']>
}

/** Numbers of events that the storage does not have, beyond all that it gives. */
const NEW = 2 ** 40

const nothing = () => Promise.resolve()

/**
 * Reads through to the storage and writes nowhere, for one run of one source. What would have been written is remembered in
 * some bytes an event, so that what comes after it is judged as if it had been; of the first changes also how they look.
 */
export function createDryStorage(under: Storage, source: string, lease: Lease): DryStorage {
  const now = timeNow(lease)
  const created = new ChangeList<Created>()
  const updated = new ChangeList<Changed>()
  const restored = new ChangeList<Changed>()
  const delisted = new ChangeList<Summary>()
  const withheld = new ChangeList<Summary>()
  const rejected = new ChangeList<Rejected>()
  const written = new WrittenEvents()
  /** Events of which it changes whether they are listed and start in the future, and by how many these become more. */
  const moved = new Bitmap()
  let moreFuture = 0
  let missing: number[] = []
  let rejects = 0
  let isAbandoned = false
  let end = { isSuspicious: false, rejected: 0 }

  function noteFuture(number: number, wasFuture: boolean, isFuture: boolean): void {
    const isMoved = wasFuture !== isFuture
    if (isMoved === moved.has(number)) return
    moreFuture += isMoved === wasFuture ? -1 : 1
    if (isMoved) moved.add(number)
    else moved.delete(number)
  }

  async function findEvents(ids: string[]): Promise<Map<string, KnownEvent>> {
    return new Map((await under.known(source, { ids })).map((one) => [one.event.id, one]))
  }

  /** Only of those that the storage has listed, as it counts them. */
  function withoutOthers({ met, ...run }: OpenRun): OpenRun {
    const listed = new Bitmap()
    for (const number of met) if (number < NEW && !restored.has(number)) listed.add(number)
    return { ...run, met: listed }
  }

  async function showMissing(list: ChangeList<Summary>, numbers: number[]): Promise<void> {
    const known = await under.known(source, { numbers: numbers.slice(0, MOST.items) })
    const events = new Map(known.map(({ number, event }) => [number, event]))
    for (const number of numbers) list.put(number, () => showGone(events.get(number)!))
  }

  const storage: FetchStorage = {
    async openRun(source, lease, kind = 'fetch', id) {
      const [last] = (await under.runs(source, { limit: 1 })).items
      isAbandoned = last !== undefined && last.outcome === null
      return newRun(source, lease, kind, id)
    },
    async sources() {
      const known = await under.sources()
      // A run that was killed has made it worthless.
      return isAbandoned ? known.map((one) => (one.source === source ? { ...one, state: null } : one)) : known
    },

    async write(run, events, { pieces } = {}) {
      const unique = keepLast(events)
      const counts = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: events.length - unique.length }
      const known = await findEvents(unique.map(({ id }) => id))
      for (const event of unique) {
        const before = known.get(event.id)
        const isListed = before?.event.status === 'listed'
        const { fingerprint } = encodeContent(event)
        const { isSame, countsAs } = judgeWrite(
          before && { fingerprint: before.fingerprint, isListed, asOf: before.asOf },
          fingerprint,
          { listed: true, asOf: run.lease.token }
        )
        const place = written.put(event.id, { fingerprint, piece: pieces?.get(event.id) }, before)
        const number = before?.number ?? NEW + place
        if (run.met.has(number)) {
          counts.duplicates++
          noteRepeated(run, event.id)
        } else counts[countsAs]++
        run.met.add(number)
        noteFuture(number, isListed && before.event.starts_at > now, event.starts_at > now)
        if (before === undefined) created.put(number, () => showCreated(event))
        else if (!isListed) restored.put(number, () => showChanged(before.event, event))
        else if (!isSame) updated.put(number, () => showChanged(before.event, event))
        else updated.remove(number)
      }
      return counts
    },
    meet: (run, ids) => under.meet(run, ids),
    async findPieces(run, pieces) {
      const found = await under.findPieces(run, pieces)
      const others = pieces.filter(({ ids }) => ids.some((id) => written.get(id) !== undefined))
      if (others.length === 0) return found
      const known = await findEvents(others.flatMap(({ ids }) => ids))
      const short = others.map(({ digest, ids }) => ({ digest: shortDigest(digest), ids }))
      const numbers = findKnown(short, (id) => {
        const before = known.get(id)
        const now = written.get(id)
        if (now !== undefined) return { seq: before?.number ?? NEW + now.place, isListed: true, piece: now.piece }
        const piece = before?.piece ? shortDigest(before.piece) : null
        return before && { seq: before.number, isListed: before.event.status === 'listed', piece }
      })
      return found.map((one, i) => (others.includes(pieces[i]!) ? numbers[others.indexOf(pieces[i]!)]! : one))
    },
    async writeRejects(_run, batch) {
      for (const reject of batch) rejected.put(rejects++, () => showRejected(reject))
    },
    async missing(run) {
      const found = await under.missing(withoutOthers(run), now)
      missing = found.all
      return { ...found, listedFuture: found.listedFuture + moreFuture }
    },
    async delist(_run, numbers) {
      await showMissing(delisted, numbers)
      return numbers.length
    },
    snapshots: (name) => under.snapshots(name),
    writeBody: nothing,
    keepSnapshot: nothing,

    async closeRun({ id, kind, started_at }, { outcome, reason, detail, counts }) {
      // They say nothing of the source: it is to be tried again.
      if (reason === 'lease_lost') throw new LeaseLost(lease.name)
      if (reason === 'storage') throw new StorageUnavailable('the storage did not answer')
      end = { isSuspicious: outcome === 'suspicious', rejected: counts.rejected }
      const finished_at = lease.now().toISOString()
      return { id, source, kind, started_at, finished_at, outcome, reason, detail, counts }
    }
  }

  return {
    storage,
    async changes() {
      if (end.isSuspicious) await showMissing(withheld, missing)
      return {
        created: created.result(),
        updated: updated.result(),
        restored: restored.result(),
        delisted: delisted.result(),
        withheld: withheld.result(),
        rejected: rejected.result(end.rejected)
      }
    }
  }
}
