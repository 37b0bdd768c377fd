import { expect } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'
import { writeFeed } from '../provider/feeds.ts'
import { type Provider, startProvider } from '../provider.ts'

export interface Listed extends AsyncDisposable {
  provider: Provider
  service: TestApp
  /** How many of the events are no longer as they were. */
  countLost(): Promise<number>
}

/** The whole service, with 10 events listed of one source, `demo`, before its provider goes wrong. */
export async function startListed(keys: Record<string, string | number | boolean> = {}): Promise<Listed> {
  const provider = await startProvider()
  const service = await createApp({ sources: { demo: { url: provider.url, ...keys } } })
  provider.serve(writeFeed(10))
  expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { created: 10 } })
  const before = await service.events()
  return {
    provider,
    service,
    async countLost() {
      const now = new Map((await service.events()).map((event) => [event.id, JSON.stringify(event)]))
      return before.filter((event) => now.get(event.id) !== JSON.stringify(event)).length
    },
    async [Symbol.asyncDispose]() {
      await service.close()
      await provider.close()
    }
  }
}
