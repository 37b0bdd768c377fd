import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import packageJson from '../package.json' with { type: 'json' }
import { addExamples } from './docs/add-examples.ts'

const UI = '/v1/api/docs/ui'

/** OpenAPI at `/v1/api/docs/json` and `/yaml`, made from the routes' schemas, and Swagger UI on top of it. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Event Service',
          version: packageJson.version,
          description: 'What is on between these dates? Events of all providers, past ones included.',
          contact: { name: 'Whoever runs this service' },
          license: { name: 'MIT', url: 'https://spdx.org/licenses/MIT' }
        },
        servers: [{ url: '/' }],
        // What asks for more says so.
        security: [],
        components: {
          securitySchemes: {
            admin: { type: 'http', scheme: 'bearer', description: '`admin_token` of `[server]` in config.ini' }
          }
        },
        tags: [
          { name: 'events', description: 'What is on' },
          { name: 'sources', description: 'Where events come from, and how fetching them went' },
          { name: 'health', description: 'For those who run the service' }
        ]
      },
      transformObject: (made) => ('openapiObject' in made ? addExamples(made.openapiObject) : made.swaggerObject),
      refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `schema-${i}`) }
    })
    await app.register(swaggerUi, {
      routePrefix: UI,
      theme: { title: 'Event Service' },
      staticCSP: {
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': ["'self'", "'unsafe-inline'"],
        'img-src': ["'self'", 'data:'],
        'connect-src': "'self'",
        'base-uri': "'none'",
        'form-action': "'none'",
        'frame-ancestors': "'none'"
      },
      uiConfig: { deepLinking: true, tryItOutEnabled: true, displayRequestDuration: true }
    })
    const hidden = { schema: { hide: true } }
    app.get('/v1/api/docs/json', hidden, () => app.swagger())
    app.get('/v1/api/docs/yaml', hidden, (_request, reply) =>
      reply.type('application/yaml; charset=utf-8').send(app.swagger({ yaml: true }))
    )
    app.get('/', hidden, (_request, reply) => reply.redirect(UI))
  },
  { name: 'docs' }
)
