import type { TObject } from '@sinclair/typebox'
import type { FastifyRequest, FastifySchemaValidationError } from 'fastify'
import type { Problem } from './problem.ts'

/** Says which parameters are wrong and what is allowed, from the schema's own `x-allowed`. */
export function explainValidation(faults: FastifySchemaValidationError[], request: FastifyRequest): Problem {
  const query = (request.routeOptions.schema?.querystring as TObject | undefined)?.properties ?? {}
  const params = (request.routeOptions.schema?.params as TObject | undefined)?.properties ?? {}
  const seen = new Map<string, { parameter: string; detail: string; allowed: string }>()
  for (const { keyword, instancePath, params: about } of faults) {
    const isUnknown = keyword === 'additionalProperties'
    const parameter = isUnknown ? String(about.additionalProperty) : instancePath.slice(1)
    if (seen.has(parameter)) continue
    const schema = query[parameter] ?? params[parameter]
    const value = { ...(request.params as object), ...(request.query as object) }[parameter] as unknown
    const allowed = isUnknown ? Object.keys(query).join(', ') : String(schema?.['x-allowed'] ?? schema?.description)
    seen.set(parameter, { parameter, detail: describe(parameter, value, isUnknown), allowed })
  }
  const errors = [...seen.values()]
  const [first] = errors
  return { status: 400, code: 'invalid_parameter', ...first!, ...(errors.length > 1 ? { errors } : {}) }
}

function describe(parameter: string, value: unknown, isUnknown: boolean): string {
  const name = parameter.slice(0, 100)
  if (isUnknown) return `There is no parameter ${name}.`
  if (Array.isArray(value)) return `${name} was given more than once.`
  return `${name} cannot be ${JSON.stringify(String(value).slice(0, 100))}.`
}
