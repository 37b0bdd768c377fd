import { parse } from 'fast-querystring'
import fp from 'fastify-plugin'
import { invalidParameter } from './errors/problem.ts'

/**
 * For the router, which parses every query otherwise: what is answered from memory is known by its URL, and does without. Only
 * together with the plugin.
 */
export const deferQuery = (text: string) => ({ text })

/** Parses queries before they are validated. Until then `request.query` is `{ text }`: the query as it came. */
export default fp(
  async (app) => {
    app.addHook('preValidation', (request, _reply, done) => {
      // What no route takes comes from another router, and nobody reads its query.
      if (request.is404) return done()
      const { text } = request.query as ReturnType<typeof deferQuery>
      request.query = parse(text)
      done(findUndecodable(text))
    })
  },
  { name: 'query', dependencies: ['errors'] }
)

/** Of what is no UTF-8 the escapes would be taken, as if they were what was meant. */
function findUndecodable(text: string): Error | undefined {
  if (!text.includes('%') || isDecodable(text)) return undefined
  const wrong = text
    .split('&')
    .find((pair) => !isDecodable(pair))!
    .split('=', 1)[0]!
  const name = isDecodable(wrong) ? decodeURIComponent(wrong).slice(0, 100) : 'a parameter'
  return invalidParameter(name, `${name} cannot be decoded.`, 'percent-encoded UTF-8')
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined
  } catch {
    return false
  }
}
