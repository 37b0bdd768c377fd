import type { IncomingMessage } from 'node:http'
import { parseArgs } from 'node:util'
import { startProvider } from '../provider.ts'
import { type Answer, describeAnswer } from './answer.ts'
import { SCENARIOS } from './scenarios.ts'

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'help' },
    port: { type: 'string', default: '8090' },
    seed: { type: 'string', default: '1' }
  }
})

const scenario = SCENARIOS.find(({ name }) => name === values.scenario)
if (scenario === undefined) {
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length))
  if (values.scenario !== 'help') console.log(`There is no scenario ${values.scenario}.\n`)
  console.log('npm run provider -- --scenario NAME [--port 8090] [--seed 1]\n')
  for (const { name, description } of SCENARIOS) console.log(`${name.padEnd(width)}  ${description}`)
  process.exit(values.scenario === 'help' ? 0 : 2)
}

const provider = await startProvider({ port: Number(values.port) }).catch((error) => {
  console.error(`It cannot listen on port ${values.port}: ${error.message}`)
  process.exit(1)
})
const script = scenario.start(Number(values.seed))
provider.play((request) => {
  const answer = script(request)
  console.log(describeRequest(provider.requests.length, request, answer))
  return answer
})
console.log(
  `${scenario.name}: ${scenario.description}\n${provider.url} (a source needs allow_private = true; Ctrl-C ends it)`
)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void provider.close())

function describeRequest(number: number, { method, url, headers }: IncomingMessage, answer: Answer): string {
  const conditions = ['if-none-match', 'if-modified-since'].filter((name) => headers[name] !== undefined)
  const asked = [`${method} ${url}`, ...conditions.map((name) => `${name} ${headers[name]}`)].join(', ')
  return `${new Date().toISOString()} #${number} ${asked}: ${describeAnswer(answer)}`
}
