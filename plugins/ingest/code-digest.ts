import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import saxPackage from 'sax/package.json' with { type: 'json' }

/** Files that decide what becomes of a document. */
const FOLDERS = [new URL('../../adapters/', import.meta.url), new URL('./', import.meta.url)]

/**
 * Changes with the code that turns documents into events: what was kept to pass over what is known is worth nothing to
 * a parser that was mended.
 */
export const CODE_DIGEST = digestCode()

function digestCode(): string {
  // Zones change, too: the same text may then be another instant. So may what sax makes of it.
  const digest = createHash('sha256').update(`${process.versions.tz} ${saxPackage.version}`)
  for (const folder of FOLDERS) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    for (const file of files.sort()) digest.update(readFileSync(new URL(file, folder)))
  }
  return digest.digest('base64url')
}
