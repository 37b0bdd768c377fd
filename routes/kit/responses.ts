import { Type } from '@sinclair/typebox'
import { ProblemSchema } from '../../plugins/errors/problem.ts'
import { RATE_LIMITS, RETRY_AFTER_HEADER } from './answer-headers.ts'

const Problem = (description: string, headers?: object) => ({
  description,
  ...(headers && { headers }),
  content: { 'application/problem+json': { schema: Type.Ref(ProblemSchema.$id!) } }
})

/** What each 503 says: its code, and when that is. */
const UNAVAILABLE = {
  storage_unavailable: 'the storage does not answer at the moment',
  overloaded: 'there is too much to do',
  timeout: 'the answer takes too long',
  query_too_slow: 'no index answers the query, and it would take too long to look at every event: ask for less',
  too_many_streams: 'too many clients are told of changes already'
}

function unavailable(...codes: (keyof typeof UNAVAILABLE)[]) {
  const reasons = codes.map((code) => `${UNAVAILABLE[code]} (\`${code}\`)`).join('; ')
  return { 503: Problem(`One of: ${reasons}`, RETRY_AFTER_HEADER) }
}

/** What any route that asks the storage can answer instead. */
export const FAILURES = {
  400: Problem('A parameter is not known, is given more than once or has a value that is not allowed'),
  429: Problem('More requests than `rate_limit` allows (`rate_limited`)', { ...RATE_LIMITS, ...RETRY_AFTER_HEADER }),
  ...unavailable('storage_unavailable', 'overloaded', 'timeout')
}
const FORGOTTEN = { 410: Problem('`as_of` is before the time from which on histories are kept (`forgotten`)') }
export const AS_OF_FAILURES = { ...FAILURES, ...FORGOTTEN }
/** What whoever asks for events by filters can be answered. */
export const QUERY_FAILURES = {
  ...AS_OF_FAILURES,
  ...unavailable('storage_unavailable', 'overloaded', 'timeout', 'query_too_slow')
}
/** The same, where an answer takes as long as its reader. */
export const EXPORT_FAILURES = {
  ...AS_OF_FAILURES,
  ...unavailable('storage_unavailable', 'overloaded', 'query_too_slow')
}
/** Of changes. */
export const STREAM_FAILURES = {
  ...FAILURES,
  410: Problem('Changes after the cursor are kept no more (`forgotten`)'),
  ...unavailable('storage_unavailable', 'overloaded', 'too_many_streams')
}
export const notFound = (what: string) => ({ 404: Problem(`There is no such ${what}`) })

/** What a route that changes a source can answer instead. */
export const ADMIN_FAILURES = {
  ...FAILURES,
  401: Problem('The admin token is missing or wrong'),
  403: Problem('No admin token is configured')
}
export const conflict = (description: string) => ({ 409: Problem(description) })
