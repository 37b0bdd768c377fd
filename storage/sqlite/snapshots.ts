import type { Snapshot, Storage } from '../kit/contract.ts'
import type { Database } from './database.ts'

type Snapshots = Pick<Storage, 'writeBody' | 'keepSnapshot' | 'snapshots' | 'readBody'>

const NEWEST = 'token desc, run_id desc'

/** The bodies of a source's last whole documents, in parts. */
export function createSnapshots({ get, all, run, attempt, fenced }: Database): Snapshots {
  function drop(runId: string): void {
    run('delete from bodies where run_id = ?', runId)
    run('delete from snapshots where run_id = ?', runId)
  }
  return {
    writeBody: (opened, part, data) =>
      fenced(opened, () => {
        run('insert into bodies (run_id, part, source, data) values (?, ?, ?, ?)', opened.id, part, opened.source, data)
      }),

    keepSnapshot: (opened, snapshot, keep) =>
      fenced(opened, () => {
        const { n } = get('select coalesce(sum(length(data)), 0) as n from bodies where run_id = ?', opened.id)!
        if (snapshot === null || (n as number) > keep.bytes) drop(opened.id)
        else {
          run(
            'insert into snapshots values (?, ?, ?, ?, ?, ?, ?, ?)',
            opened.id,
            opened.source,
            opened.lease.token,
            snapshot.digest,
            snapshot.charset,
            snapshot.bytes,
            n as number,
            opened.lease.now().toISOString()
          )
        }
        const kept = all(`select run_id, size from snapshots where source = ? order by ${NEWEST}`, opened.source)
        let bytes = 0
        kept.forEach(({ run_id, size }, i) => {
          bytes += size as number
          if (i >= keep.count || bytes > keep.bytes) drop(run_id as string)
        })
      }),

    snapshots: (source) =>
      attempt(() =>
        all(
          `select run_id, token, digest, charset, bytes, size, kept_at from snapshots where source = ? order by ${NEWEST}`,
          source
        )
          .reverse()
          .map((row) => row as unknown as Snapshot)
      ),

    async *readBody(runId) {
      for (let part = 0; ; part++) {
        const row = await attempt(() => get('select data from bodies where run_id = ? and part = ?', runId, part))
        if (row === undefined) return
        yield row.data as Uint8Array
      }
    }
  }
}
