import type { Event } from '../../../storage/kit/event.ts'

/** What a file of events is like, and how one is written piece by piece. */
export interface ExportFormat {
  /** Of the file's name, after the dot; and of the path. */
  extension: string
  summary: string
  /** What is lost or added, for the people who read the documentation. */
  description: string
  mediaType: string
  /** Parameters of the media type. */
  parameters: string
  /** Whether it is to be saved, not shown. */
  isAttachment: boolean
  write(about: ExportAbout): ExportWriter
}

export interface ExportAbout {
  /** Of the service's API, without a slash at the end: no host is believed, so links are relative to it. */
  prefix: string
  /** Of this export, with its query in one order. */
  path: string
  /** When the newest of its events changed; null where it has none. */
  findUpdated(): Promise<string | null>
}

/** Of one export: it may remember what it has written. The parts in this order are the file. */
export interface ExportWriter {
  begin(): string | Promise<string>
  event(event: Event): string
  end(): string
}
