import { createReadStream } from 'node:fs'
import { TextDecoder } from 'node:util'
import sax from 'sax'

/** Parses a file with sax and nothing else, and prints the seconds it took. */
const file = process.argv[2]!
const started = performance.now()
const parser = sax.parser(true)
parser.onerror = (error) => {
  throw error
}
parser.onopentag = () => undefined
parser.onattribute = () => undefined
parser.onclosetag = () => undefined
parser.ontext = () => undefined
const decoder = new TextDecoder('utf-8', { fatal: true })
for await (const bytes of createReadStream(file, { highWaterMark: 65_536 })) {
  parser.write(decoder.decode(bytes, { stream: true }))
}
parser.write(decoder.decode()).close()
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }))
