import { FeedError } from '../../adapters/kit/errors.ts'
import type { Reason } from '../../storage/kit/run.ts'

const BY_CODE: [RegExp, Reason, string][] = [
  [/^(ENOTFOUND|EAI_\w+|ENODATA)$/, 'dns', 'its name cannot be resolved'],
  [/^(UND_ERR_(HEADERS|BODY|CONNECT)_TIMEOUT|ETIMEDOUT)$/, 'timeout', 'it does not answer in time'],
  [
    /^(ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|EPROTO|DEPTH_ZERO\w+|SELF_SIGNED\w+|UNABLE_TO_\w+|HOSTNAME_MISMATCH)$/,
    'tls',
    'no secure connection'
  ],
  [/^(E[A-Z]+|UND_ERR_SOCKET)$/, 'connect', 'no connection'],
  [/^(HPE_\w+|UND_ERR_\w+)$/, 'protocol', 'it does not answer in HTTP']
]

/** Says why there was no answer from `host`, in terms of a run's reasons. */
export function explainNetworkError(error: Error, host: string): Error {
  const chain = [error, (error as { cause?: unknown }).cause].filter((link) => link instanceof Error)
  const feedError = chain.find((link) => link instanceof FeedError)
  if (feedError !== undefined) return feedError
  // What happened on each address of a host with several.
  const first = error instanceof AggregateError ? ((error.errors[0] as Error | undefined) ?? error) : error
  // What is not HTTP at all comes without a code.
  const code = String((first as NodeJS.ErrnoException).code ?? (first.name === 'HTTPParserError' ? 'HPE_INVALID' : ''))
  const known = BY_CODE.find(([pattern]) => pattern.test(code))
  if (known === undefined) return error
  return new FeedError(known[1], `${host}: ${known[2]} (${code})`, { cause: error })
}
