import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FeedSize, type GeneratedFeed, generateFeed } from '../generate-feed.ts'
import { ingest } from './ingest.ts'
import type { Sizes } from './sizes.ts'

/** What rows share: a folder of this run alone, and in it feeds, configurations and a database. */
export interface Bench {
  sizes: Sizes
  folder: string
  /** The feed of `sizes.events` events. */
  feed(): Promise<GeneratedFeed>
  /** Configuration of a database that holds that feed. */
  loaded(): Promise<string>
  generate(name: string, size: FeedSize): Promise<GeneratedFeed>
  /** @returns path of the configuration of a database of its own, with `feed` as its one source, `bench`. */
  configure(name: string, feed: GeneratedFeed): Promise<string>
}

const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url))

export function createBench(sizes: Sizes): Bench {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'run-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  let feed: Promise<GeneratedFeed> | undefined
  let loaded: Promise<string> | undefined

  const bench: Bench = {
    sizes,
    folder,
    feed: () => (feed ??= bench.generate('feed', { events: sizes.events })),
    loaded: () => (loaded ??= load(bench)),
    generate: (name, size) => generateFeed(join(folder, `${name}.xml`), size),
    async configure(name, { file }) {
      const config = join(folder, `${name}.ini`)
      await writeFile(config, writeConfig({ database: `${name}.db`, feed: basename(file) }))
      return config
    }
  }
  return bench
}

async function load(bench: Bench): Promise<string> {
  const feed = await bench.feed()
  const config = await bench.configure('loaded', feed)
  await ingest(config, feed, { created: feed.events })
  return config
}

/** Its cron is never due while a bench runs. */
function writeConfig({ database, feed }: { database: string; feed: string }): string {
  return `[server]
port = 0

[sqlite]
path = ${database}

[source.bench]
adapter = provider-xml
url = file:${feed}
timezone = Europe/Madrid
cron = 0 0 29 2 *
`
}
