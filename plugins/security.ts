import fp from 'fastify-plugin'

/**
 * Answers are data: no browser is to run, frame or guess anything from them. The docs page sets a policy of its own; what is
 * written past Fastify's hooks brings them itself.
 */
export const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff'
}

export default fp(
  async (app) => {
    app.addHook('onSend', (_request, reply, _payload, done) => {
      reply.headers(SECURITY_HEADERS)
      done()
    })
  },
  { name: 'security' }
)
