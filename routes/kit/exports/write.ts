import { setImmediate as turn } from 'node:timers/promises'
import type { Event } from '../../../storage/kit/event.ts'
import type { ExportWriter } from './format.ts'

/** Characters that are written at once. */
const CHUNK = 16_384

/** The file in parts, of which the first has an event, if there is one: what fails before that can still be told. */
export async function* writeExport(events: AsyncIterable<Event>, writer: ExportWriter): AsyncGenerator<string> {
  let text = await writer.begin()
  for await (const event of events) {
    text += writer.event(event)
    if (text.length < CHUNK) continue
    yield text
    text = ''
    // Whoever reads as fast as it is written would have this thread to themselves.
    await turn()
  }
  yield text + writer.end()
}
