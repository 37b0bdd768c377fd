import { hash } from 'node:crypto'
import fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import cursors from '../../plugins/cursors.ts'
import { MOST_CURSOR } from '../../routes/kit/paging.ts'
import type { Position } from '../../storage/kit/contract.ts'

let app: FastifyInstance
let other: FastifyInstance
beforeEach(async () => {
  app = await startOn('S')
  other = await startOn('T')
})
afterEach(async () => {
  await app.close()
  await other.close()
})

/** On a storage with this secret. */
async function startOn(secret: string): Promise<FastifyInstance> {
  const app = fastify()
  const storage = fp(async (app) => void app.decorate('storage', { secret: async () => secret } as never), {
    name: 'storage'
  })
  await app.register(storage)
  await app.register(cursors)
  return app
}

const decode = (cursor: string, scope = 'q', from = app) => from.cursors.decode(cursor, () => scope)

/** As MongoDB has it of changes: of each source a number. None is like another. */
function ofSources(count: number): Position {
  const numbers = Array.from({ length: count }, (_, i) => {
    const some = hash('sha256', `${i}`)
    return [`opera-${some.slice(0, 8)}`, Number.parseInt(some.slice(8, 19), 16)]
  })
  return [JSON.stringify(Object.fromEntries(numbers)), '2026-01-01T00:00:00.000Z']
}

describe('a cursor', () => {
  it.each([
    ['of a page', ['1800000000', 'Ñandú 🎭']],
    ['of 10 sources', ofSources(10)],
    ['of 350 sources', ofSources(350)]
  ])('%s is a text for a URL, and leads back', async (_of, position) => {
    const cursor = await app.cursors.encode(position, 'q', 5)
    expect(cursor).toMatch(/^[\w-]{30,}$/)
    expect(cursor.length).toBeLessThanOrEqual(MOST_CURSOR)
    expect(await decode(cursor)).toEqual({ position, now: 5 })
    await expect(decode(cursor, 'another')).rejects.toThrow('belongs to another query')
    await expect(decode(cursor, 'q', other)).rejects.toThrow('is not one of this service')
  })

  // Clients keep them.
  it.each([
    [['ab', 'Ñandú 🎭'], '72Fhcum2XxItY9KeZmPRq-WyJxIiw1LCJhYiIsIsORYW5kw7og8J-OrSJd'],
    [['a'.repeat(2000)], 'U-FBjHwuiUIyPf_t4-AbRneJyLVipU0jHVUUocBaNgFIyCUTAKRsGQB0qxAALK-C0']
  ])('that was given before leads to %j', async (position, cursor) => {
    expect(await decode(cursor)).toEqual({ position, now: 5 })
  })

  it.each([10, 350])('of %i sources is refused where it was changed, whatever about it', async (count) => {
    const cursor = await app.cursors.encode(ofSources(count), 'q')
    for (let i = 0; i < cursor.length; i += Math.ceil(cursor.length / 200)) {
      const wrong = cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1)
      await expect(decode(wrong)).rejects.toThrow('is not one of this service')
    }
    for (const wrong of [cursor.slice(0, -4), `${cursor}AAAA`, `${cursor}=`, cursor.slice(22)]) {
      await expect(decode(wrong)).rejects.toThrow('is not one of this service')
    }
  })
})
