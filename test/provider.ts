import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Answer, type Script, sendAnswer } from './provider/answer.ts'

export interface Provider {
  url: string
  /** Requests so far, oldest first. */
  requests: IncomingMessage[]
  /** How to answer from now on: a document, an answer made of parts, or whatever a handler does. */
  serve(answer: string | Buffer | Answer | RequestListener): void
  /** How to answer from now on, decided anew for each request. */
  play(script: Script): void
  close(): Promise<void>
}

/** A provider on loopback that answers as it is told; until then, 503. */
export async function startProvider({ port = 0 } = {}): Promise<Provider> {
  let respond: RequestListener = (_request, response) => response.writeHead(503).end()
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    respond(request, response as ServerResponse<IncomingMessage> & { req: IncomingMessage })
  })
  const play = (script: Script) => {
    respond = (request, response) => void sendAnswer(script(request), response)
  }
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/feed.xml`,
    requests,
    play,
    serve(answer) {
      if (typeof answer === 'function') respond = answer
      else play(() => (typeof answer === 'string' || Buffer.isBuffer(answer) ? { body: answer } : answer))
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
