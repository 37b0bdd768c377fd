import fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import cursors from '../../plugins/cursors.ts'
import type { Position } from '../../storage/kit/contract.ts'

let app: FastifyInstance
beforeEach(async () => {
  app = fastify()
  await app.register(
    fp(async (app) => void app.decorate('storage', { secret: async () => 'S' } as never), { name: 'storage' })
  )
  await app.register(cursors)
})
afterEach(() => app.close())

const decode = (cursor: string, scope = 'q') => app.cursors.decode(cursor, () => scope)

/** As MongoDB has it of changes: of each source a number. */
function ofSources(count: number): Position {
  const numbers = Array.from({ length: count }, (_, i) => [`house-of-many-events-${i}`, (1000 + 7 * i) * 2 ** 26 + i])
  return [JSON.stringify(Object.fromEntries(numbers)), '2026-01-01T00:00:00.000Z']
}

describe('a cursor', () => {
  it.each([
    ['of a page', ['1800000000', 'Ñandú 🎭']],
    ['of 20 sources', ofSources(20)],
    ['of 500 sources', ofSources(500)]
  ])('%s is a text for a URL, and leads back', async (_of, position) => {
    const cursor = await app.cursors.encode(position, 'q', 5)
    expect(cursor).toMatch(/^[\w-]{30,8000}$/)
    expect(await decode(cursor)).toEqual({ position, now: 5 })
    await expect(decode(cursor, 'another')).rejects.toThrow('belongs to another query')
  })

  it.each([20, 500])('of %i sources is refused where it was changed, whatever about it', async (count) => {
    const cursor = await app.cursors.encode(ofSources(count), 'q')
    for (let i = 0; i < cursor.length; i += Math.ceil(cursor.length / 200)) {
      const wrong = cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1)
      await expect(decode(wrong)).rejects.toThrow('is not one of this service')
    }
    for (const wrong of [cursor.slice(0, -4), `${cursor}AAAA`, cursor.slice(22)]) {
      await expect(decode(wrong)).rejects.toThrow('is not one of this service')
    }
  })
})
