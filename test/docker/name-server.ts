import { createSocket } from 'node:dgram'

export interface NameServer {
  port: number
  close(): Promise<void>
}

/** Answers every question for addresses with these, as they are by then: what Docker's own name server does for a service. */
export async function startNameServer(addresses: () => string[]): Promise<NameServer> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => socket.send(answer(query, addresses()), port, address))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve()))
  }
}

/** RFC 1035, section 4: a header, the question again, and a record for each address. */
function answer(query: Buffer, addresses: string[]): Buffer {
  const endOfName = query.indexOf(0, 12) + 1
  const question = query.subarray(12, endOfName + 4)
  const isAddress = query.readUInt16BE(endOfName) === 1
  const records = (isAddress ? addresses : []).map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)])
  )
  const header = Buffer.from([query[0]!, query[1]!, 0x85, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0])
  return Buffer.concat([header, question, ...records])
}
