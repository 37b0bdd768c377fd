import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of the first of these programs that is on the PATH; without one, the tests that need it are skipped, loudly, but not in CI. */
export function findProgram(names: string[], untested: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  const path = names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
  if (path !== undefined) return path
  const reason = `${untested} NOT TESTED: there is no ${names.join(' or ')} on the PATH`
  if (process.env.CI === 'true') throw new Error(reason)
  console.warn(`\n  ${reason}\n`)
}
