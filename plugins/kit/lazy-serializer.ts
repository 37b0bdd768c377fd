import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'

/**
 * Fastify's own serializers, each compiled when it is first needed: most answers have a dozen of them, for failures that
 * hardly ever are, and to compile all takes a sixth of the start.
 */
export const buildSerializer: ReturnType<typeof SerializerSelector> = (schemas, options) => {
  const compile = SerializerSelector()(schemas, options)
  return (route) => {
    let serialize: ReturnType<typeof compile> | undefined
    return (data) => {
      serialize ??= compile(route)
      return serialize(data)
    }
  }
}
