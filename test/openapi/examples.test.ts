import { writeFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import kept from '../../plugins/docs/examples.json' with { type: 'json' }
import { createApp, type TestApp } from '../helper.ts'
import { askEverything } from './kit/ask-everything.ts'
import { mask } from './kit/mask.ts'
import { codesOf, type Document, listMedia, readDocument } from './kit/operations.ts'

const FILE = new URL('../../plugins/docs/examples.json', import.meta.url)
/** Whether what is answered is written there, and not compared with it. */
const isWritten = process.env.EVENTS_TEST_EXAMPLES === 'write'

let service: TestApp
let document: Document
beforeAll(async () => {
  service = await createApp()
  document = await readDocument(service.app)
})
afterAll(() => service.close())

describe('the examples of the OpenAPI document', () => {
  it('are what the service answers', async () => {
    const answered = await askEverything()
    if (isWritten) await writeFile(FILE, `${JSON.stringify(answered, null, 2)}\n`)
    else expect(mask(answered)).toEqual(mask(kept))
  })

  it.skipIf(isWritten)('are there for every answer that has a body, and for no other', () => {
    const described = listMedia(document).map(({ name }) => name)
    const answered = Object.entries(kept).flatMap(([operation, statuses]) =>
      Object.entries(statuses).flatMap(([status, types]) =>
        Object.keys(types as object).map((type) => `${operation} ${status} ${type}`)
      )
    )
    expect(answered.sort()).toEqual(described.sort())
    for (const { name, answer, media } of listMedia(document)) {
      const examples = Object.keys(media.examples ?? {})
      expect([name, examples.length]).not.toEqual([name, 0])
      // Of errors that differ in their codes, each.
      const codes = codesOf(answer)
      if (codes.length > 0) expect([name, examples.sort()]).toEqual([name, codes.sort()])
    }
  })

  it.skipIf(isWritten)('are valid by what is said of the answer', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    formats.default(ajv)
    // What is not described is not answered, either.
    const closed = JSON.stringify(document, (_key, value) =>
      value?.type === 'object' && 'properties' in value ? { ...value, additionalProperties: false } : value
    )
    ajv.addSchema(JSON.parse(closed), 'document')
    let count = 0
    for (const { name, media, pointer } of listMedia(document)) {
      const validate = ajv.compile({ $ref: `document#${pointer}/schema` })
      for (const [example, { value }] of Object.entries(media.examples ?? {})) {
        expect([name, example, validate(value), validate.errors]).toEqual([name, example, true, null])
        count++
      }
    }
    expect(count).toBeGreaterThan(150)
  })
})
