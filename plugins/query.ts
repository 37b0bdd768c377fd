import { parse } from 'fast-querystring'
import fp from 'fastify-plugin'
import { invalidParameter } from './errors/problem.ts'

/** For the router, which parses every query otherwise: what is answered from memory is known by its URL, and does without. */
export const deferQuery = (text: string) => ({ text })

/**
 * Parses queries before they are validated: earlier hooks find nothing in them. Refuses those whose escapes are no UTF-8: what is
 * parsed would be the escapes, as if they were what was meant.
 */
export default fp(
  async (app) => {
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.is404) return done()
      const { text } = request.query as ReturnType<typeof deferQuery>
      request.query = parse(text)
      if (!text.includes('%') || isDecodable(text)) return done()
      const wrong = text
        .split('&')
        .find((pair) => !isDecodable(pair))!
        .split('=', 1)[0]!
      const name = isDecodable(wrong) ? decodeURIComponent(wrong).slice(0, 100) : 'a parameter'
      done(invalidParameter(name, `${name} cannot be decoded.`, 'percent-encoded UTF-8'))
    })
  },
  { name: 'query', dependencies: ['errors'] }
)

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined
  } catch {
    return false
  }
}
