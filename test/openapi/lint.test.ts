import { createConfig, lintFromString } from '@redocly/openapi-core'
import spectral, { type RulesetDefinition } from '@stoplight/spectral-core'
import rulesets from '@stoplight/spectral-rulesets'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createApp, type TestApp } from '../helper.ts'

let service: TestApp
let text: string
beforeAll(async () => {
  service = await createApp()
  text = (await service.app.inject('/v1/api/docs/json')).body
})
afterAll(() => service.close())

describe('the OpenAPI document', () => {
  it('has nothing that Redocly finds fault with', async () => {
    const config = await createConfig({ extends: ['recommended-strict'] })
    const found = await lintFromString({ source: text, absoluteRef: 'openapi.json', config })
    expect(found.map(({ ruleId, message, location }) => ({ ruleId, message, at: location[0]?.pointer }))).toEqual([])
  })

  it('has nothing that Spectral finds fault with', async () => {
    const linter = new spectral.Spectral()
    linter.setRuleset({
      // All of its rules, also those that it does not recommend to everybody.
      extends: [[rulesets.oas as RulesetDefinition, 'all']],
      rules: {
        // They stand in the order in which readers want them.
        'openapi-tags-alphabetical': 'off',
        // Where to find whoever runs the service only they know.
        'contact-properties': 'off'
      }
    })
    const found = await linter.run(JSON.parse(text))
    expect(found.map(({ code, message, path }) => ({ code, message, at: path.join('/') }))).toEqual([])
  })

  it('is the same as YAML', async () => {
    const { headers, body } = await service.app.inject('/v1/api/docs/yaml')
    expect(headers['content-type']).toBe('application/yaml; charset=utf-8')
    expect(parse(body)).toEqual(JSON.parse(text))
  })
})
