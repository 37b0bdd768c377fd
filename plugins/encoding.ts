import fp from 'fastify-plugin'
import { invalidParameter } from './errors/problem.ts'

/** Refuses queries whose escapes are no UTF-8: the router would hand on the escapes as if they were what was meant. */
export default fp(
  async (app) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { url } = request
      const start = url.indexOf('?')
      if (start === -1 || !url.includes('%', start) || isDecodable(url.slice(start))) return done()
      const pairs = url.slice(start + 1).split('&')
      const wrong = pairs.find((pair) => !isDecodable(pair))!.split('=', 1)[0]!
      const name = isDecodable(wrong) ? decodeURIComponent(wrong).slice(0, 100) : 'a parameter'
      done(invalidParameter(name, `${name} cannot be decoded.`, 'percent-encoded UTF-8'))
    })
  },
  { name: 'encoding', dependencies: ['errors'] }
)

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined
  } catch {
    return false
  }
}
