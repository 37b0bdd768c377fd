export const ALERT_KINDS = ['failing', 'stale', 'suspicious'] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

/** What somebody is told of, from when it is noticed until its end has been told. Times: UTC, by the storage's clock. */
export interface Alert {
  /** One that comes back after its end was told is another one. */
  id: string
  source: string
  kind: AlertKind
  /** When it began. */
  since: string
  /** null while it goes on. */
  ended_at: string | null
  /** Whether its beginning has been told: `maybe` from before it is tried until the answer is known. */
  begin_told: Told
  /** The same of its end. What has been told is kept no longer. */
  end_told: Exclude<Told, 'yes'>
  /** Of what is to be told next: how often that failed, and when to try it again; null: at once. */
  failures: number
  retry_at: string | null
}

export type Told = 'no' | 'maybe' | 'yes'
