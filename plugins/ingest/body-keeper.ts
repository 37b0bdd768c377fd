import { once } from 'node:events'
import { pipeline, Readable } from 'node:stream'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import type { OpenRun, SnapshotContent, Storage } from '../../storage/kit/contract.ts'
import type { Source } from '../sources.ts'

/** Of a part in the storage, compressed. The last one has what the compressor still held, too: less than 1 MB in all. */
const PART_BYTES = 262_144
/** Before the first part is written: most bodies turn out to be kept already. */
const HELD_BYTES = 1_048_576
const MOST_WAITING_BYTES = 524_288
/** A fast level and a small window: it runs beside parsing, and its memory adds to that of every run. */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 18 } }

export interface BodyKeeper {
  /** See `SourceContext.keep`. */
  keep(charset: string | null): (chunk: Uint8Array) => Promise<void>
  /** Makes what was read a kept snapshot, unless the newest one is the same. */
  save(digest: string | undefined, bytes: number): Promise<void>
  /** Forgets what was not saved. Parts that are in the storage already are deleted there by the next run. */
  close(): void
}

/** Compresses the body of a run as it comes, into the storage, where it stays if it turns out to be a whole snapshot. */
export function createBodyKeeper(opened: OpenRun, storage: Storage, source: Source): BodyKeeper {
  const limits = { count: source.keep_snapshots, bytes: source.keep_mb * 1e6 }
  const zstd = createZstdCompress(COMPRESSION)
  let charset: string | null = null
  let pending: Buffer[] = []
  let pendingBytes = 0
  let parts = 0
  let size = 0
  let isKept = limits.count > 0
  zstd.on('data', (data: Buffer) => {
    pending.push(data)
    pendingBytes += data.length
    size += data.length
  })

  async function writeParts(): Promise<void> {
    const data = Buffer.concat(pending)
    pending = []
    pendingBytes = 0
    for (let at = 0; at < data.length; at += PART_BYTES) {
      await storage.writeBody(opened, parts++, data.subarray(at, at + PART_BYTES))
    }
  }
  async function write(chunk: Uint8Array): Promise<void> {
    if (!isKept) return
    // It works in a thread of its own, so it may lag behind a little.
    if (!zstd.write(chunk) && zstd.writableLength > MOST_WAITING_BYTES) await once(zstd, 'drain')
    if (pendingBytes >= (parts === 0 ? HELD_BYTES : PART_BYTES)) await writeParts()
    if (size > limits.bytes) await drop()
  }
  async function drop(): Promise<void> {
    isKept = false
    zstd.destroy()
    pending = []
    if (parts > 0) await storage.keepSnapshot(opened, null, limits)
    parts = 0
  }
  async function save(digest: string | undefined, bytes: number): Promise<void> {
    const newest = (await storage.snapshots(source.name)).at(-1)
    if (!isKept || digest === undefined || newest?.digest === digest) {
      // Also of former ones, when fewer are to be kept than before.
      await storage.keepSnapshot(opened, null, limits)
      return
    }
    zstd.end()
    await once(zstd, 'end')
    await writeParts()
    const snapshot: SnapshotContent = { digest, charset, bytes }
    await storage.keepSnapshot(opened, snapshot, limits)
  }

  return {
    keep(given) {
      charset = given
      return write
    },
    save,
    close: () => zstd.destroy()
  }
}

/** The body of a kept snapshot. */
export function readKeptBody(storage: Storage, runId: string): AsyncIterable<Uint8Array> {
  // An error of either one comes out of the iteration.
  return pipeline(Readable.from(storage.readBody(runId)), createZstdDecompress(), () => undefined)
}
