import fastify from 'fastify'

export interface LogLine {
  level: number
  msg: string
  err?: { code: string }
  [key: string]: unknown
}

/** A log, and the lines that were written to it. */
export function createLog() {
  const lines: LogLine[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  return { lines, log: fastify({ logger: { level: 'info', stream } }).log }
}
