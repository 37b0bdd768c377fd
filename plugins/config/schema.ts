import { type Static, Type } from '@sinclair/typebox'

/**
 * Keys carry, beside their schema: `description` (what it is, for a person), `allowed` (the values, for an error
 * message), `secret` (its value is never shown). `config.ini` shows every key with its default; a test holds it to that.
 */
export const ServerSection = Type.Object({
  host: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'The address to listen on.',
    allowed: 'a host name or address; 0.0.0.0 for all'
  }),
  port: Type.Integer({
    default: 8080,
    minimum: 0,
    maximum: 65535,
    description: 'The port to listen on; 0 takes any free one.',
    allowed: 'a whole number from 0 to 65535'
  }),
  storage: Type.String({
    default: 'sqlite',
    description: 'Where events are kept: the name of a file in storage/.',
    allowed: 'the name of a file in storage/'
  }),
  roles: Type.String({
    default: 'api,ingest',
    pattern: '^\\s*(api|ingest)(\\s*,\\s*(api|ingest))?\\s*$',
    description: 'What this process does: answer requests, fetch the sources, or both.',
    allowed: 'api | ingest | api,ingest'
  }),
  workers: Type.String({
    default: '1',
    pattern: '^(auto|[1-9]\\d{0,2})$',
    description: 'How many processes answer requests; auto: one for each core that it may use.',
    allowed: 'auto | a whole number from 1 to 999'
  }),
  log_level: Type.String({
    default: 'info',
    pattern: '^(fatal|error|warn|info|debug|trace|silent)$',
    description: 'The least serious log lines to write.',
    allowed: 'fatal | error | warn | info | debug | trace | silent'
  }),
  admin_token: Type.String({
    default: '',
    secret: true,
    description:
      'What whoever changes something over the API must bring: Authorization: Bearer TOKEN. Empty: nobody can.',
    allowed: 'ASCII without blanks, best 32 random characters or more',
    pattern: '^[\\x21-\\x7E]*$'
  }),
  cache_mb: Type.Integer({
    default: 16,
    minimum: 0,
    maximum: 4096,
    description: 'Memory of each process for the answers that are asked for most, in MB; 0: none.',
    allowed: 'a whole number from 0 to 4096'
  }),
  rate_limit: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 1_000_000,
    description: 'Requests that one client may send in a minute, to each process; 0: any number.',
    allowed: 'a whole number from 0 to 1000000'
  }),
  trust_proxy: Type.String({
    default: '',
    format: 'trust-proxy',
    description:
      'Whose X-Forwarded-For is believed: how many proxies stand in front, or their addresses. Empty: nobody.',
    allowed: 'a number of proxies, or addresses and networks (10.0.0.0/8) with commas between them'
  }),
  overload_ms: Type.Integer({
    default: 1000,
    minimum: 0,
    maximum: 60_000,
    description: 'When requests wait this long for their turn, new ones are told to come again; 0: never.',
    allowed: 'a whole number from 0 to 60000'
  }),
  cors_origins: Type.String({
    default: '',
    pattern: '^(\\*|(https?://[^\\s,/]+(\\s*,\\s*https?://[^\\s,/]+)*)?)$',
    description: 'Web pages that browsers may let read the API: origins with commas between them, or * for all.',
    allowed: '* | https://site.example, … (without a path), or nothing'
  }),
  history_days: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 36_500,
    description: 'How long former states of events are kept, in days; 0: for ever.',
    allowed: 'a whole number from 0 to 36500'
  }),
  ingest_heap_mb: Type.Integer({
    default: 128,
    minimum: 64,
    maximum: 65536,
    description: 'With both roles, ingestion runs in a thread of its own; it is restarted when its heap exceeds this.',
    allowed: 'a whole number from 64 to 65536'
  })
})

export const AlertsSection = Type.Object({
  url: Type.String({
    default: '',
    secret: true,
    format: 'webhook',
    description: 'Where to send a notice, by POST, when a source needs somebody. Empty: nowhere.',
    allowed: 'http://… | https://…, or nothing'
  }),
  secret: Type.String({
    default: '',
    secret: true,
    pattern: '^([\\x21-\\x7E]{16,})?$',
    description: 'What notices are signed with, so that the receiver can tell them from others.',
    allowed: 'ASCII without blanks, at least 16 characters, best 32 random ones or more'
  }),
  failures: Type.Integer({
    default: 3,
    minimum: 1,
    maximum: 1000,
    description: 'After how many failed fetches in a row.',
    allowed: 'a whole number from 1 to 1000'
  }),
  timeout: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 60,
    description: 'Seconds that the receiver has to answer.',
    allowed: 'a whole number from 1 to 60'
  }),
  allow_private: Type.Boolean({
    default: false,
    description: 'Whether its address may be loopback, private or otherwise not public.',
    allowed: 'true | false'
  })
})

export const SourceSection = Type.Object({
  adapter: Type.String({
    description: 'The format of the feed: the name of a file in adapters/.',
    allowed: 'the name of a file in adapters/'
  }),
  url: Type.String({
    format: 'feed-url',
    description: 'Where the feed is: http, https or file. A file is relative to the configuration file.',
    allowed: 'http://… | https://… | file:path'
  }),
  cron: Type.String({
    default: '*/5 * * * *',
    format: 'cron',
    description: 'When to fetch: five fields, or six with seconds first.',
    allowed: 'a cron expression of five fields, or six with seconds first'
  }),
  cron_timezone: Type.String({
    default: 'UTC',
    format: 'timezone',
    description: 'The time zone of the cron expression.',
    allowed: 'an IANA time zone, as Europe/Madrid'
  }),
  run_at_start: Type.Boolean({
    default: true,
    description: 'Whether to fetch once when the service starts.',
    allowed: 'true | false'
  }),
  timezone: Type.String({
    default: 'UTC',
    format: 'timezone',
    description: "The time zone of the feed's dates.",
    allowed: 'an IANA time zone, as Europe/Madrid'
  }),
  enabled: Type.Boolean({
    default: true,
    description: 'Whether to fetch it at all. Its events stay either way.',
    allowed: 'true | false'
  }),
  allow_private: Type.Boolean({
    default: false,
    description: 'Whether its address may be loopback, private or otherwise not public.',
    allowed: 'true | false'
  }),
  timeout: Type.Integer({
    default: 600,
    minimum: 1,
    maximum: 86400,
    description: 'Seconds after which a run is given up, whatever it is doing.',
    allowed: 'a whole number from 1 to 86400'
  }),
  max_mb: Type.Integer({
    default: 2000,
    minimum: 1,
    maximum: 100000,
    description: 'Maximum size of a snapshot in MB, uncompressed.',
    allowed: 'a whole number from 1 to 100000'
  }),
  backoff_base: Type.Number({
    default: 5,
    minimum: 0.1,
    maximum: 3600,
    description: 'After a failure: the most seconds before it is tried again. They double with each failure in a row.',
    allowed: 'a number from 0.1 to 3600'
  }),
  backoff_cap: Type.Number({
    default: 900,
    minimum: 0.1,
    maximum: 86400,
    description: 'The most seconds between two tries, however many failed.',
    allowed: 'a number from 0.1 to 86400'
  }),
  retry_after_cap: Type.Integer({
    default: 3600,
    minimum: 0,
    maximum: 86400,
    description: 'The most seconds that a provider may ask to be left alone for, with Retry-After.',
    allowed: 'a whole number from 0 to 86400'
  }),
  vanish_guard: Type.Boolean({
    default: true,
    description: 'Whether to withhold delisting when too many future events are missing at once.',
    allowed: 'true | false'
  }),
  vanish_percent: Type.Number({
    default: 20,
    minimum: 0,
    maximum: 100,
    description: 'Too many are more than this share of the future events, in percent …',
    allowed: 'a number from 0 to 100'
  }),
  vanish_count: Type.Integer({
    default: 5,
    minimum: 0,
    maximum: 1000000,
    description: '… and more than this number of them.',
    allowed: 'a whole number from 0 to 1000000'
  }),
  max_rejects: Type.Integer({
    default: 1000,
    minimum: 1,
    maximum: 100000,
    description: 'Rejects to keep: those that were seen last.',
    allowed: 'a whole number from 1 to 100000'
  }),
  keep_snapshots: Type.Integer({
    default: 5,
    minimum: 0,
    maximum: 1000,
    description: 'Whole documents to keep, the newest, so that a mended parser can read them again; 0: none.',
    allowed: 'a whole number from 0 to 1000'
  }),
  keep_mb: Type.Integer({
    default: 50,
    minimum: 1,
    maximum: 100000,
    description: 'Space for them in the storage, in MB, compressed.',
    allowed: 'a whole number from 1 to 100000'
  })
})

export type ServerSettings = Omit<Static<typeof ServerSection>, 'roles' | 'workers'> & {
  roles: Set<Role>
  workers: number
}
export type Role = 'api' | 'ingest'
export type AlertSettings = Static<typeof AlertsSection>
