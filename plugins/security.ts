import fp from 'fastify-plugin'

/** Answers are data: no browser is to run, frame or guess anything from them. The docs page sets a policy of its own. */
export default fp(
  async (app) => {
    app.addHook('onRequest', (_request, reply, done) => {
      reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
      reply.header('x-content-type-options', 'nosniff')
      done()
    })
  },
  { name: 'security' }
)
