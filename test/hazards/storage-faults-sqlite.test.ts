import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, type TestContext } from 'vitest'
import { type Provider, startProvider } from '../provider.ts'
import { events, ingested, live, ready, SAMPLE, source, status, until, useServices } from '../service.ts'
import { goThrough, IMPATIENT } from './storage-fault.ts'

const run = promisify(execFile)
const succeeds = (program: string, ...args: string[]) =>
  run(program, args).then(
    () => true,
    () => false
  )

const services = useServices()
const disk = () => services.path('disk')
let provider: Provider | undefined
afterEach(async () => {
  await provider?.close()
  provider = undefined
  // At once, whoever still uses it.
  if (existsSync(disk())) await succeeds('umount', '-l', disk())
})

/** The roles apart, as each tells of itself. */
async function start(path: string) {
  provider = await startProvider()
  const config = `[sqlite]\npath = ${path}\n${source(provider.url)}${IMPATIENT}`
  const service = await services.run(config, { EVENTS_SERVER_ROLES: 'api' })
  await live(service)
  const ingest = await services.run(config, { EVENTS_SERVER_ROLES: 'ingest' })
  return { provider, service, ingest, file: services.path(path) }
}

/** A small disk of the test's own. */
async function mountDisk({ skip }: TestContext) {
  await mkdir(disk())
  const isMounted = await succeeds('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk())
  skip(!isMounted, 'a disk can only be made by root, on Linux')
}

describe('a fault of the SQLite file', () => {
  it('that another process holds for longer than anybody waits', async ({ task }) => {
    const started = await start('events.db')
    let other: DatabaseSync
    const begin = () => {
      other = new DatabaseSync(started.file, { timeout: 5000 })
      other.exec('begin immediate')
    }
    const end = () => other.close()
    const fault = { name: 'another process holds the SQLite file', begin, end, lasts: 7, isReadable: true }
    const { lines } = await goThrough(fault, { ...started, task })
    expect(lines).toMatchObject([{ storage: 'writing', reason: expect.stringContaining('another process holds it') }])
  }, 600_000)

  it('whose disk is full', async (context) => {
    await mountDisk(context)
    const started = await start('disk/events.db')
    const filler = `${disk()}/filler`
    const begin = () => succeeds('dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k')
    const end = () => rm(filler)
    const fault = { name: 'the disk of the SQLite file is full', begin, end, isReadable: true }
    const { lines } = await goThrough(fault, { ...started, task: context.task })
    expect(lines).toMatchObject([{ storage: 'writing', reason: expect.stringContaining('make room on its disk') }])
  }, 600_000)

  it('that cannot grow', async ({ task, skip }) => {
    skip(!(await succeeds('prlimit', '--version')), 'there is no prlimit here')
    const started = await start('events.db')
    const limit = (bytes: string) => run('prlimit', ['--pid', `${started.ingest.process.pid}`, `--fsize=${bytes}`])
    const begin = async () => limit(`${(await stat(`${started.file}-wal`)).size}:unlimited`)
    const end = () => limit('unlimited:unlimited')
    const fault = { name: 'writes to the SQLite file fail (RLIMIT_FSIZE)', begin, end, isReadable: true }
    const { lines } = await goThrough(fault, { ...started, task })
    expect(lines).toMatchObject([{ storage: 'writing', reason: expect.stringContaining('look at it') }])
  }, 600_000)

  it('whose pages are damaged while it is open, and put back', async ({ task }) => {
    const started = await start('events.db')
    let pages: Buffer
    async function begin() {
      const other = new DatabaseSync(started.file, { timeout: 5000 })
      other.exec('pragma wal_checkpoint(truncate)')
      other.close()
      pages = await damage(started.file)
    }
    const end = () => overwrite(started.file, pages)
    const { lines } = await goThrough({ name: 'damaged pages in the SQLite file', begin, end }, { ...started, task })
    expect(lines).toMatchObject(lines.map(() => ({ reason: expect.stringContaining('it is damaged') })))
  }, 600_000)
})

describe('a SQLite file that is not right at the start', () => {
  /** Of a service that has been, and has left nothing but its file. */
  async function leaveFile(path: string) {
    const config = `[sqlite]\npath = ${path}\n${source(`file:${SAMPLE}`)}`
    const before = await services.run(config)
    await live(before)
    await ingested(before, 3)
    before.process.kill('SIGTERM')
    await before.exit
    return { config, file: services.path(path) }
  }

  it('because it is read-only, is named, with what to do', async (context) => {
    await mountDisk(context)
    const { config, file } = await leaveFile('disk/events.db')
    await run('mount', ['-o', 'remount,ro', disk()])
    const service = await services.run(config)
    expect(await service.exit).toBe(1)
    expect(service.output()).toContain(`${file} cannot be`)
    expect(service.output()).toContain('Check that')
    expect(service.output()).not.toContain('    at ')
  })

  it('because it is damaged, is not ready, says so, answers 503, and goes on when it is mended', async () => {
    const { config, file } = await leaveFile('events.db')
    const pages = await damage(file)
    const service = await services.run(config)
    await live(service)
    const list = await fetch(`${service.url}/v1/api/events`)
    expect([list.status, list.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await list.text()).not.toMatch(/sqlite|malformed|events\.db/i)
    expect(await status(`${service.url}/readyz`)).toBe(503)
    await until(() => service.log().some(({ reason }) => String(reason).includes('it is damaged')))
    await overwrite(file, pages)
    await ready(service)
    expect(await events(service)).toHaveLength(3)
    expect(service.log().filter(({ level }) => level >= 40).length).toBeLessThanOrEqual(4)
  })
})

/** All pages but the first, which says that it is a database. */
async function damage(path: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  const pages = await handle.readFile()
  await handle.close()
  await overwrite(path, Buffer.alloc(pages.length, 0xab), 8192)
  return pages
}

/** In place, as a disk would. */
async function overwrite(path: string, content: Buffer, from = 0): Promise<void> {
  const handle = await open(path, 'r+')
  await handle.write(content, from, content.length - from, from)
  await handle.close()
}
