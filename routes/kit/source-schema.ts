import { Type } from '@sinclair/typebox'
import type { Circuit } from '../../storage/kit/contract.ts'
import { OrNull } from '../../storage/kit/or-null.ts'
import { type Run, RunSchema } from '../../storage/kit/run.ts'
import { FreshnessFields } from './freshness.ts'

export const SourceSchema = Type.Object(
  {
    name: Type.String(),
    adapter: Type.String(),
    cron: Type.String(),
    cron_timezone: Type.String(),
    timezone: Type.String({ description: "Of the feed's dates" }),
    enabled: Type.Boolean(),
    paused: Type.Boolean({ description: 'Whether somebody paused it: nothing fetches it until it is resumed' }),
    ...FreshnessFields,
    circuit: Type.Object(
      {
        state: Type.Union([Type.Literal('closed'), Type.Literal('open'), Type.Literal('half_open')], {
          description:
            '`closed`: the last fetch succeeded. `open`: it failed, and the source is left alone until `retry_at`, or until its ' +
            'cron where that is null. `half_open`: it may be tried again, and is'
        }),
        failures: Type.Integer({ description: 'Failed fetches in a row' }),
        retry_at: OrNull(Type.String({ format: 'date-time' }), 'When it is tried again, before or instead of its cron')
      },
      { description: 'How the source is spared after failures' }
    ),
    suspicion: OrNull(
      Type.Object({
        run_id: Type.String(),
        missing: Type.Integer({ description: 'Events that were not delisted' }),
        future_missing: Type.Integer({ description: 'Of them, those that are still to come' }),
        future_listed: Type.Integer({ description: 'Of all that are still to come and were listed then' })
      }),
      'Set when the last snapshot lacked too much to be believed: nothing is delisted until the next one agrees, or an ' +
        'operator confirms'
    ),
    last_run: OrNull(Type.Ref(RunSchema.$id!))
  },
  { $id: 'Source', title: 'Source' }
)

/**
 * @param lastRun the newest one, which may be under way
 * @param now milliseconds, by the storage's clock
 */
export function describeCircuit(circuit: Circuit | undefined, lastRun: Run | null, now: number) {
  const { failures, retry_at } = circuit ?? { failures: 0, retry_at: null }
  const isUnderWay = lastRun?.kind === 'fetch' && lastRun.finished_at === null
  const isTrying = isUnderWay || (retry_at !== null && Date.parse(retry_at) <= now)
  const state = failures === 0 ? ('closed' as const) : isTrying ? ('half_open' as const) : ('open' as const)
  return { state, failures, retry_at }
}
