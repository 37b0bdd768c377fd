import { hash, timingSafeEqual } from 'node:crypto'
import createError from '@fastify/error'
import fp from 'fastify-plugin'

const READING = ['GET', 'HEAD', 'OPTIONS']

const Unauthorized = createError('EVT_UNAUTHORIZED', 'This needs the admin token: Authorization: Bearer TOKEN', 401)
const AdminDisabled = createError(
  'EVT_ADMIN_DISABLED',
  'Nobody may change anything over this API: no admin token is configured. Set admin_token in [server] of config.ini, or ' +
    'EVENTS_SERVER_ADMIN_TOKEN__FILE to a file that holds it, and start the service again.',
  403
)

/** Whatever changes something takes the admin token; there is no route that could forget to ask for it. */
export default fp(
  async (app) => {
    const { admin_token: token } = app.config.server
    app.addHook('onRequest', (request, reply, done) => {
      if (READING.includes(request.method) || request.is404) return done()
      if (token === '') return done(new AdminDisabled())
      const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
      if (given !== undefined && isEqual(given, token)) return done()
      reply.header('www-authenticate', 'Bearer realm="event-service"')
      done(new Unauthorized())
    })
  },
  { name: 'admin', dependencies: ['config', 'errors'] }
)

/** In a time that says nothing about either. */
function isEqual(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))
}
