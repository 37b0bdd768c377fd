import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'

// Who connects is in a queue of the system first; only this process knows whom it has taken from there.
subscribe('net.server.socket', (message) => {
  writeSync(2, `accepted ${(message as { socket: Socket }).socket.remotePort}\n`)
})
