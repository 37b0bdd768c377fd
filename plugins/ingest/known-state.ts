import { hash } from 'node:crypto'
import type { AdapterState, SourceState, Storage } from '../../storage/kit/contract.ts'
import type { Source } from '../sources.ts'
import { CLOSED } from './circuit.ts'
import { CODE_DIGEST } from './code-digest.ts'

/** What is known of a source before a run; a new one has nothing. */
export type Known = Omit<SourceState, 'source'>

export async function readKnown(storage: Storage, { name }: Source): Promise<Known> {
  const known = (await storage.sources()).find(({ source }) => source === name)
  return known ?? { state: null, last_success_at: null, snapshot_at: null, circuit: CLOSED, suspicion: null }
}

/** What the pipeline keeps beside the adapter's own state. */
interface Kept {
  settings: string
  /** Ids of events that stood in the document several times, with blanks between them. */
  repeated: string
}

export function sealState(state: AdapterState, source: Source, repeated: string[]): AdapterState {
  const kept: Kept = { settings: settingsDigest(source), repeated: repeated.join(' ') }
  return { ...state, ...kept }
}

/** Without what makes a request conditional: the storage no longer has what that belongs to. */
export function forgetValidators(state: AdapterState | null): AdapterState | null {
  if (state === null) return null
  const { settings = null, repeated = null } = state
  return { settings, repeated }
}

/** What was kept counts only while the settings, and the code, are those that it was kept under. */
export function unsealState(
  state: AdapterState | null,
  source: Source
): { state: AdapterState | null; held: string[] } {
  if (state?.settings !== settingsDigest(source)) return { state: null, held: [] }
  const { settings: _settings, repeated, ...own } = state
  return { state: own, held: repeated ? repeated.split(' ') : [] }
}

/** Changes with whatever makes other events of the same document. */
export function settingsDigest({ adapter, url, timezone, options }: Source): string {
  return hash('sha256', JSON.stringify([CODE_DIGEST, adapter, url, timezone, options]), 'base64url')
}
