// Answers requests, and hangs at the path /hang; its replies say which it is. One that is told that it is mute never listens.
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { reportAlive, reportListening } from '../../plugins/kit/supervise-workers.ts'

reportAlive()
const server = createServer((request, response) => {
  if (request.url === '/hang') for (;;);
  response.setHeader('connection', 'close').end(String(process.pid))
})
cluster.worker!.on('message', (message) => {
  if (message === 'stop' || message === 'drain') server.close(() => process.exit(0))
  if (typeof message !== 'object' || message.isMute) return
  server.listen(0, '127.0.0.1', () => reportListening(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
})
