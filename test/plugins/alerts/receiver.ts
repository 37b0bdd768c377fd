import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { Notice } from '../../../plugins/alerts/notice.ts'
import { takePort } from '../../take-port.ts'

export const SECRET = 'a-secret-of-the-tests'

export interface Receiver {
  url: string
  /** What arrived, oldest first, whatever was answered. */
  notices: Notice[]
  /** Of what arrived, in short: kind, status, source. */
  told(): string[]
  /** How to answer from now on. */
  answer(respond: (response: ServerResponse) => void): void
  /** Nobody listens any more. */
  close(): Promise<void>
  /** Somebody does again, at the same port. */
  open(): Promise<void>
}

/** As `docs/alerts.md` says that one should do it. */
const DOCS = await readFile(new URL('../../../docs/alerts.md', import.meta.url), 'utf8')
const [, code] = /```js\n(.*?)```/s.exec(DOCS)!
const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(code!)}`)
/** The notice that it shows. */
export const EXAMPLE: Notice = JSON.parse(/```json\n(.*?)```/s.exec(DOCS)![1]!)

/** Takes notices, each of which has to be signed. */
export async function startReceiver(): Promise<Receiver> {
  const notices: Notice[] = []
  let respond: (response: ServerResponse) => void = (response) => response.writeHead(204).end()
  const port = await takePort()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const header = String(request.headers['x-event-service-signature'])
    const isRight =
      request.method === 'POST' &&
      request.headers['content-type'] === 'application/json' &&
      isGenuine(header, body, SECRET)
    if (!isRight) throw new Error(`a request that is not signed as it should be: ${header}`)
    notices.push(JSON.parse(body))
    respond(response)
  })
  async function open(): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await open()
  return {
    url: `http://127.0.0.1:${port}/hook/S3CRET?key=S3CRET`,
    notices,
    told: () => notices.map(({ kind, status, source }) => `${kind} ${status} ${source}`),
    answer: (how) => {
      respond = how
    },
    open,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
