import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Type } from '@sinclair/typebox'
import { defineStorage } from './kit/define.ts'
import { StorageUnusable } from './kit/errors.ts'
import { createStorage } from './sqlite/storage.ts'

/** What a reader has at least; mostly it reads what is mapped. */
const READER_CACHE_MB = 16
/** Memory of a reader for the events that are asked for most: about 100 000. */
const BLOCKS_MB = 80
/** Bytes of the file that a reader maps into memory, which the system takes back when it is short of it. */
const MAPPED = 1e9

/**
 * How long to wait for another process that holds the file, in milliseconds. Waiting stops the thread that waits: requests
 * must not stand still for long, and are told to come again; ingestion has nothing else to do.
 */
const BUSY_MS = { reader: 1000, writer: 5000 }

/** A batch touches most pages of an index: the more batches between two checkpoints, the less is written twice. */
const CHECKPOINT_PAGES = 8000

export default defineStorage({
  options: Type.Object({
    path: Type.String({
      default: 'data/events.db',
      minLength: 1,
      format: 'path',
      description: 'The database file; made, with its folders, where there is none.',
      allowed: 'a file path, relative to the configuration file'
    }),
    cache_mb: Type.Integer({
      default: 8,
      minimum: 1,
      maximum: 4096,
      description:
        'Page cache of a connection, in MB. One that only reads has 16 at least, and 80 more for the events that are asked ' +
        'for most, each as far as it needs them.',
      allowed: 'a whole number from 1 to 4096'
    })
  }),

  async open({ path, cache_mb }, { isReader }) {
    const cacheKb = (isReader ? Math.max(cache_mb, READER_CACHE_MB) : cache_mb) * 1024
    let db: DatabaseSync | undefined
    try {
      mkdirSync(dirname(path), { recursive: true })
      db = new DatabaseSync(path, { timeout: isReader ? BUSY_MS.reader : BUSY_MS.writer })
      // The page size counts only for a new file.
      db.exec(`pragma page_size = 8192; pragma synchronous = normal; pragma cache_size = -${cacheKb};
        pragma mmap_size = ${isReader ? MAPPED : 0}; pragma wal_autocheckpoint = ${CHECKPOINT_PAGES};
        pragma foreign_keys = on; pragma schema_version`)
      return createStorage(db, path, isReader ? BLOCKS_MB * 2 ** 20 : 0)
    } catch (error) {
      db?.close()
      throw new StorageUnusable(
        `the SQLite file ${path} cannot be opened: ${(error as Error).message}. Check that it is an Event Service ` +
          'database and that this user may write to it and its folder, or set [sqlite] path to another file',
        { cause: error }
      )
    }
  }
})
