import { Type } from '@sinclair/typebox'
import { NotFound } from '../../plugins/errors/problem.ts'
import type { Source } from '../../plugins/sources.ts'

export const NameParams = Type.Object({
  name: Type.String({
    maxLength: 63,
    description: 'Name of a source',
    'x-allowed': 'the name of a source, see /v1/api/sources',
    examples: ['demo']
  })
})
/** @throws NotFound, with the names that there are */
export function findSource(sources: readonly Source[], name: string): Source {
  const source = sources.find((one) => one.name === name)
  if (source !== undefined) return source
  const names = sources.map((one) => one.name).join(', ')
  throw new NotFound(`There is no source ${name}; there are: ${names || 'none'}.`)
}
