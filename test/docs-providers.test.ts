import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { HINTS } from '../plugins/ingest/reasons.ts'
import { OUTCOMES, REASONS } from '../storage/kit/run.ts'

it('docs/providers.md has every outcome, and every reason with its hint', async () => {
  const text = await readFile(new URL('../docs/providers.md', import.meta.url), 'utf8')
  for (const outcome of OUTCOMES) expect(text).toContain(`\n| \`${outcome}\` | `)
  for (const reason of REASONS) expect(text).toMatch(new RegExp(`\\n\\| \`${reason}\` \\| .+ \\| `))
  for (const hint of Object.values(HINTS)) expect(text).toContain(` | ${hint} |\n`)
})
