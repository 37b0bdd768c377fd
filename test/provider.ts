import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Provider {
  url: string
  /** Requests so far, oldest first. */
  requests: IncomingMessage[]
  /** How to answer from now on: a document, or whatever a handler does. */
  serve(answer: string | Buffer | RequestListener): void
  close(): Promise<void>
}

/** A provider on loopback that answers as a test says. */
export async function startProvider(): Promise<Provider> {
  let respond: RequestListener = (_request, response) => response.writeHead(503).end()
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    respond(request, response as ServerResponse<IncomingMessage> & { req: IncomingMessage })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/feed.xml`,
    requests,
    serve(answer) {
      respond =
        typeof answer === 'function'
          ? answer
          : (_request, response) => response.writeHead(200, { 'content-type': 'application/xml' }).end(answer)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
