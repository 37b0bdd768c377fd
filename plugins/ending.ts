import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborts as soon as the process is told to stop: answers that never end by themselves end with it. */
    ending: AbortController
  }
}

export default fp(
  async (app) => {
    const ending = new AbortController()
    app.decorate('ending', ending)
    app.addHook('preClose', async () => ending.abort())
  },
  { name: 'ending' }
)
