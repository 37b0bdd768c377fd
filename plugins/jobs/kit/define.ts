import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { JobDefinition } from './contract.ts'

/** A job's default export: the plugin that hands it to the scheduler. Several, where they come from the configuration. */
export function defineJob(define: (app: FastifyInstance) => JobDefinition | JobDefinition[]): FastifyPluginAsync {
  return fp(
    async (app) => {
      for (const job of [define(app)].flat()) app.jobs.add(job)
    },
    { dependencies: ['scheduler'] }
  )
}
