import { describe, expect, it } from 'vitest'
import type { Answer, Framing } from '../provider/answer.ts'
import { HTML_PAGE, XHTML_PAGE } from '../provider/bodies.ts'
import { writeFeed } from '../provider/feeds.ts'
import { startListed } from './listed.ts'
import { isFull, recordHazard } from './record.ts'

describe('a feed that is not whole', () => {
  it('is never taken for a whole one, wherever it is cut', async ({ task }) => {
    await using listed = await startListed()
    const { provider, service } = listed
    // Other than what is listed only in what it lacks, and to its last byte needed.
    const body = writeFeed(9).trimEnd()
    const cuts = isFull ? 1000 : 50
    const framings: Framing[] = ['content-length', 'chunked', 'close']
    const outcomes: Record<string, number> = {}
    for (let i = 0; i < cuts; i++) {
      const cutAfter = Math.round((i * (body.length - 1)) / (cuts - 1))
      for (const framing of framings) {
        provider.serve({ body, framing, cutAfter })
        const { outcome } = await service.ingest('demo')
        outcomes[outcome!] = (outcomes[outcome!] ?? 0) + 1
      }
    }
    const { partial = 0, failed = 0, ...believed } = outcomes
    const lost = await listed.countLost()
    recordHazard(task, {
      hazard: `feed cut at ${cuts} offsets × content-length, chunked, close-delimited`,
      expected: 'partial or failed; old kept',
      figure: `false "complete" ${cuts * 3 - partial - failed} of ${cuts * 3}, lost ${lost}`
    })
    expect(believed).toEqual({})
    expect(partial + failed).toBe(cuts * 3)
    expect(lost).toBe(0)
    provider.serve({ body, framing: 'close' })
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { delisted: 1 } })
  }, 600_000)

  it('with nothing of a feed in it delists nothing', async ({ task }) => {
    await using listed = await startListed()
    const { provider, service } = listed
    const type = (contentType: string) => ({ headers: { 'content-type': contentType } })
    const answers: Answer[] = [
      { body: '' },
      { body: '', framing: 'chunked' },
      { body: '', framing: 'close' },
      { body: ' \r\n\t ' },
      { body: '<?xml version="1.0"?>' },
      { body: '<!-- nothing -->' },
      { body: HTML_PAGE, ...type('text/html') },
      { body: HTML_PAGE },
      { body: HTML_PAGE.replace('<!DOCTYPE html>\n', '') },
      { body: XHTML_PAGE, ...type('application/xhtml+xml') },
      { body: '{"events": []}', ...type('application/json') },
      { body: 'null' },
      { body: '503 Service Unavailable', ...type('text/plain') }
    ]
    let delisted = 0
    const reasons: (string | null)[] = []
    for (const answer of answers) {
      provider.serve(answer)
      const run = await service.ingest('demo')
      reasons.push(run.reason)
      delisted += run.counts.delisted
    }
    const lost = await listed.countLost()
    const refused = reasons.filter((reason) => reason === 'not_a_feed').length
    recordHazard(task, {
      hazard: '200 with nothing, blanks, HTML, XHTML, JSON',
      expected: 'not_a_feed; old kept',
      figure: `not_a_feed ${refused} of ${answers.length}, delisted ${delisted}, lost ${lost}`
    })
    expect(reasons).toEqual(answers.map(() => 'not_a_feed'))
    expect([delisted, lost]).toEqual([0, 0])
  })
})
