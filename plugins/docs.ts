import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import packageJson from '../package.json' with { type: 'json' }

const UI = '/v1/api/docs/ui'

/** OpenAPI at `/v1/api/docs/json`, made from the routes' schemas, and Swagger UI on top of it. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Event Service',
          version: packageJson.version,
          description: 'What is on between these dates? Events of all providers, past ones included.',
          license: { name: 'MIT', identifier: 'MIT' }
        },
        servers: [{ url: '/' }],
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
    app.get('/', hidden, (_request, reply) => reply.redirect(UI))
  },
  { name: 'docs' }
)
