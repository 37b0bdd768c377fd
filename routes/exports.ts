import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { digest } from '../plugins/kit/digest.ts'
import { matches, toEtag } from '../plugins/pages/etag.ts'
import { sendNotModified, setValidators } from '../plugins/pages/send.ts'
import { QueryTooSlow } from '../storage/kit/errors.ts'
import type { Event } from '../storage/kit/event.ts'
import type { EventQuery } from '../storage/kit/filters.ts'
import { NOT_MODIFIED, VALIDATORS } from './kit/answer-headers.ts'
import { dependsOnNow, toEventQuery } from './kit/event-query.ts'
import atom from './kit/exports/atom.ts'
import csv from './kit/exports/csv.ts'
import type { ExportFormat } from './kit/exports/format.ts'
import ics from './kit/exports/ics.ts'
import ndjson from './kit/exports/ndjson.ts'
import { writeExport } from './kit/exports/write.ts'
import { FilterQuery } from './kit/query-schema.ts'
import { EXPORT_FAILURES } from './kit/responses.ts'
import { sendStream } from './kit/send-stream.ts'

const EXPORT_HEADERS = { ...VALIDATORS, 'Content-Disposition': Type.String({ description: 'With a file name' }) }

const FORMATS: ExportFormat[] = [ics, ndjson, csv, atom]

/** All events of a query as a file, in constant memory. */
const exports: FastifyPluginAsyncTypebox = async (app) => {
  for (const format of FORMATS) {
    const { extension, summary, description, mediaType, parameters, isAttachment } = format
    const disposition = `${isAttachment ? 'attachment' : 'inline'}; filename="events.${extension}"`
    const url = `/events.${extension}`
    app.get(
      url,
      {
        // It takes as long as the client takes to read it; one who stops reading is cut off (plugins/stalled-clients.ts).
        config: { isOpenEnded: true },
        schema: {
          operationId: `exportEvents${extension[0]!.toUpperCase()}${extension.slice(1)}`,
          tags: ['events'],
          summary,
          description: `All that the query finds, however many it is. One that breaks off is cut, so that it does not pass for the whole. ${description}`,
          querystring: FilterQuery,
          response: {
            200: { description: summary, headers: EXPORT_HEADERS, content: { [mediaType]: { schema: Type.String() } } },
            ...NOT_MODIFIED,
            ...EXPORT_FAILURES
          }
        }
      },
      async (request, reply) => {
        const query = toEventQuery(request.query, Date.now())
        const state = await app.validators.current()
        // It says nothing of the sources.
        const etag = toEtag({ revision: state.revision, digest: '' }, digest(`${extension} ${JSON.stringify(query)}`))
        const dated = dependsOnNow(request.query) ? null : state
        if (matches(request, etag, dated)) return sendNotModified(reply, etag, dated)
        const stop = new AbortController()
        const about = {
          prefix: app.prefix,
          path: `${app.prefix}${url}?${toSearch(request.query)}`,
          findUpdated: () => findUpdated(query)
        }
        return sendStream(request, reply, {
          type: `${mediaType}; ${parameters}`,
          parts: writeExport(app.storage.stream(query, stop.signal), format.write(about)),
          stop,
          begin() {
            setValidators(reply, etag, dated)
            reply.header('content-disposition', disposition)
          }
        })
      }
    )
  }

  async function findUpdated(query: EventQuery): Promise<string | null> {
    try {
      const { json } = await app.storage.find({ ...query, sort: { by: 'updated', descending: true } }, { limit: 1 })
      return json.length === 0 ? null : (JSON.parse(String(json)) as Event).updated_at
    } catch (error) {
      // The events are found in another order; it is no older than this.
      if (error instanceof QueryTooSlow) return new Date().toISOString()
      throw error
    }
  }
}

export default exports

/** The same for the same query. */
function toSearch(query: FilterQuery): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query).sort()) params.set(name, String(value))
  return params.toString()
}
