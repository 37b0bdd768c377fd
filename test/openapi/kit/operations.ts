import type { FastifyInstance } from 'fastify'

export interface Media {
  schema: object
  examples?: Record<string, { value: unknown }>
}

export interface Answer {
  description: string
  content?: Record<string, Media>
}

/** As far as tests look at it. */
export interface Document {
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string
        parameters?: { name: string }[]
        responses: Record<string, Answer>
      }
    >
  >
}

export interface Operation {
  id: string
  method: 'GET' | 'POST'
  /** As the document has it: `/v1/api/events/{id}`. */
  path: string
  parameters: string[]
  responses: Record<string, Answer>
}

export const readDocument = async (app: FastifyInstance): Promise<Document> =>
  (await app.inject('/v1/api/docs/json')).json()

export function listOperations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters = [], responses }]) => ({
      id: operationId,
      method: method.toUpperCase() as Operation['method'],
      path,
      parameters: parameters.map(({ name }) => name),
      responses
    }))
  )
}

/** Of every answer that has a body, each form that it has. */
export function listMedia(document: Document): { name: string; pointer: string; answer: Answer; media: Media }[] {
  return listOperations(document).flatMap(({ id, method, path, responses }) =>
    Object.entries(responses).flatMap(([status, answer]) =>
      Object.entries(answer.content ?? {}).map(([type, media]) => {
        const keys = ['paths', path, method.toLowerCase(), 'responses', status, 'content', type]
        return { name: `${id} ${status} ${type}`, pointer: keys.map(toPointer).join(''), answer, media }
      })
    )
  )
}

const toPointer = (key: string) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`

/** The codes that the description of an error names. */
export const codesOf = (answer: Answer | undefined): string[] =>
  [...(answer?.description ?? '').matchAll(/\(`(\w+)`\)/g)].map(([, code]) => code!)
