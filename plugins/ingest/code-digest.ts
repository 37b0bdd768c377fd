import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

/** Files that decide what becomes of a document. */
const FOLDERS = [new URL('../../adapters/', import.meta.url), new URL('./', import.meta.url)]

/**
 * Changes with the code that turns documents into events: what was kept to pass over what is known is worth nothing to
 * a parser that was mended.
 */
export const CODE_DIGEST = digestCode()

function digestCode(): string {
  // Zones change, too: the same text may then be another instant.
  const digest = createHash('sha256').update(String(process.versions.tz))
  for (const folder of FOLDERS) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    for (const file of files.sort()) digest.update(readFileSync(new URL(file, folder)))
  }
  return digest.digest('base64url')
}
