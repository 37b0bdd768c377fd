import { describe, expect, it } from 'vitest'
import { createApp } from '../helper.ts'
import { writeFeed } from '../provider/feeds.ts'
import { startProvider } from '../provider.ts'
import { watchConnections } from './connections.ts'
import { recordHazard } from './record.ts'

const PUBLIC = '93.184.215.14'

/** Thirty ways to say an address that no stranger may send us to. */
const HOSTS = [
  '127.0.0.1',
  '127.255.255.254',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '0.0.0.0',
  '0',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[ff02::1]',
  'localhost',
  'metadata.example',
  'mixed.example'
]

describe('an address that is not public', () => {
  it('is not connected to, however it is written, resolved or redirected to', async ({ task }) => {
    const provider = await startProvider()
    const { port } = new URL(provider.url)
    let resolved = 0
    using connections = watchConnections({
      names: {
        localhost: () => ['127.0.0.1', '::1'],
        'metadata.example': () => ['169.254.169.254'],
        'mixed.example': () => [PUBLIC, '10.0.0.1'],
        'public.example': () => [PUBLIC],
        'rebinding.example': () => [resolved++ === 0 ? PUBLIC : '127.0.0.1']
      },
      standIns: [PUBLIC]
    })
    const source = (host: string, scheme = 'http') => ({
      url: `${scheme}://${host}:${port}/feed.xml`,
      allow_private: false
    })
    const service = await createApp({
      sources: {
        ...Object.fromEntries(HOSTS.map((host, i) => [`host-${i}`, source(host)])),
        secure: source('127.0.0.1', 'https'),
        public: source('public.example'),
        rebinding: source('rebinding.example'),
        allowed: { ...source('127.1'), allow_private: true }
      }
    })
    const ingest = async (name: string) => {
      const from = connections.attempts.length
      const { reason } = await service.ingest(name)
      return { reason, attempts: connections.attempts.slice(from) }
    }
    const refused = { reason: 'address', attempts: [] }
    const redirected = { reason: 'address', attempts: [`127.0.0.1:${port}`] }

    // Otherwise nothing would be proven by what does not happen below.
    // Without connections that are kept: each run has to make its own.
    const headers = { connection: 'close' }
    provider.serve({ body: writeFeed(1), headers })
    expect(await ingest('allowed')).toEqual({ reason: null, attempts: [`127.0.0.1:${port}`] })
    expect(await ingest('public')).toEqual({ reason: null, attempts: [`127.0.0.1:${port}`] })

    const direct = new Map<string, object>()
    for (const [i, host] of HOSTS.entries()) direct.set(host, await ingest(`host-${i}`))
    const byRedirect = new Map<string, object>()
    for (const host of HOSTS) {
      const location = `http://${host}:${port}/feed.xml`
      provider.serve({ status: 302, headers: { location, ...headers } })
      byRedirect.set(host, await ingest('public'))
    }
    provider.serve({ body: writeFeed(1), headers })
    const rebinding = [await ingest('rebinding'), await ingest('rebinding')]

    const wrong = [...direct.values()].filter((found) => JSON.stringify(found) !== JSON.stringify(refused)).length
    const followed = [...byRedirect.values()].filter((found) => JSON.stringify(found) !== JSON.stringify(redirected))
    recordHazard(task, {
      hazard: 'private, link-local, metadata, mapped, decimal, hex, octal, rebinding addresses, redirects to them',
      expected: 'refused at connect',
      figure: `connections ${wrong} of ${HOSTS.length}, by redirect ${followed.length} of ${HOSTS.length}`
    })
    expect([...direct]).toEqual(HOSTS.map((host) => [host, refused]))
    expect([...byRedirect]).toEqual(HOSTS.map((host) => [host, redirected]))
    expect(rebinding).toEqual([{ reason: null, attempts: [`127.0.0.1:${port}`] }, refused])
    expect(await ingest('secure')).toEqual(refused)
    await service.close()
    await provider.close()
  })
})
