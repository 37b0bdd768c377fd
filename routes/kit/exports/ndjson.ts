import type { ExportFormat } from './format.ts'

export default {
  extension: 'ndjson',
  summary: 'Events as lines of JSON',
  description: 'Each line is an event as the list has it.',
  mediaType: 'application/x-ndjson',
  parameters: 'charset=utf-8',
  isAttachment: true,
  write: () => ({
    begin: () => '',
    event: (event) => `${JSON.stringify(event)}\n`,
    end: () => ''
  })
} satisfies ExportFormat
