import { Type } from '@sinclair/typebox'
import { OrNull } from '../../storage/kit/or-null.ts'

/** How old the data of a source are. */
export const FreshnessFields = {
  last_success_at: OrNull(
    Type.String({ format: 'date-time', description: 'End of the last complete or unchanged run' })
  ),
  last_attempt_at: OrNull(
    Type.String({ format: 'date-time', description: 'When a run of it was last begun, whatever came of it' })
  ),
  stale: Type.Boolean({ description: 'Whether a run was due, and its timeout has passed, without a success since' })
}
