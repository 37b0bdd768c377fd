import { expect, it, vi } from 'vitest'
import { createApp } from '../helper.ts'

/** Those that the service asked for, and what becomes of each when it is first needed. */
const compiling = vi.hoisted(() => ({ all: [] as (() => unknown)[], compiled: 0 }))
vi.mock('@fastify/fast-json-stringify-compiler', async (importOriginal) => {
  const { SerializerSelector } = await importOriginal<typeof import('@fastify/fast-json-stringify-compiler')>()
  return {
    SerializerSelector: (): ReturnType<typeof SerializerSelector> => (schemas, options) => {
      const compile = SerializerSelector()(schemas, options)
      return (route) => {
        compiling.compiled++
        return compile(route)
      }
    }
  }
})
vi.mock('../../plugins/kit/lazy-serializer.ts', async (importOriginal) => {
  const { buildSerializer } = await importOriginal<typeof import('../../plugins/kit/lazy-serializer.ts')>()
  return {
    buildSerializer: ((schemas, options) => {
      const build = buildSerializer(schemas, options)
      return (route) => {
        const serialize = build(route)
        compiling.all.push(() => serialize({}))
        return serialize
      }
    }) satisfies typeof buildSerializer
  }
})

it('serializers are compiled once, when they are first needed, and all of them can be', async () => {
  const { app, close } = await createApp()
  await app.ready()
  expect(compiling.all.length).toBeGreaterThan(50)
  expect(compiling.compiled).toBe(0)
  const [first] = compiling.all
  for (const serialize of [first!, first!, ...compiling.all]) {
    try {
      serialize()
    } catch (error) {
      // Of one that was compiled: nothing lacks so much.
      expect(String(error)).toMatch(/is required|does not match schema definition|cannot be converted/)
    }
  }
  expect(compiling.compiled).toBe(compiling.all.length)
  await close()
})
