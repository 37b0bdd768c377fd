import { Type } from '@sinclair/typebox'
import { ProblemSchema } from '../../plugins/errors/problem.ts'

const Problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Type.Ref(ProblemSchema.$id!) } }
})

/** What any route that asks the storage can answer instead. */
export const FAILURES = {
  400: Problem('A parameter is not known, is given more than once or has a value that is not allowed'),
  503: Problem('The storage does not answer at the moment')
}
export const notFound = (what: string) => ({ 404: Problem(`There is no such ${what}`) })

/** What a route that changes a source can answer instead. */
export const ADMIN_FAILURES = {
  ...FAILURES,
  401: Problem('The admin token is missing or wrong'),
  403: Problem('No admin token is configured'),
  409: Problem(
    'The source is paused (`source_paused`) or not enabled (`source_disabled`), or there is nothing to confirm ' +
      '(`nothing_to_confirm`)'
  )
}
