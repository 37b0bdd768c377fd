import { spawnSync } from 'node:child_process'

/** What Prometheus itself says against an exposition, or undefined where it is not there to be asked. */
export function complaintsOf(text: string): string | undefined {
  const { error, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return error === undefined ? stdout + stderr : undefined
}

const isMissing = complaintsOf('') === undefined
if (isMissing) {
  const reason = "what /metrics says IS NOT CHECKED by promtool: install Debian's package prometheus"
  if (process.env.CI === 'true') throw new Error(reason)
  console.warn(`\n  ${reason}\n`)
}
