import json from './examples.json' with { type: 'json' }

/** Answers by operation, status, media type and a name, each with the request that brings it. */
export type Examples = Record<string, Record<string, Record<string, Record<string, Example>>>>
export interface Example {
  request: string
  value: unknown
}

const EXAMPLES: Examples = json

/** As much as is looked at here of an OpenAPI document. */
interface Operation {
  operationId: string
  responses: Record<string, { content?: Record<string, { examples?: object }> }>
}

/** Adds to each answer what was really answered. */
export function addExamples<T extends { paths?: object }>(document: T): T {
  for (const methods of Object.values(document.paths ?? {})) {
    for (const { operationId, responses } of Object.values(methods as Record<string, Operation>)) {
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const [type, media] of Object.entries(content)) {
          const examples = Object.entries(EXAMPLES[operationId]?.[status]?.[type] ?? {})
          const shown = examples.map(([name, { request, value }]) => [name, { summary: request, value }])
          if (shown.length > 0) media.examples = Object.fromEntries(shown)
        }
      }
    }
  }
  return document
}
