// Says that it is ready, and fills its heap until it is ended; told to stop, it goes.
import { parentPort } from 'node:worker_threads'

parentPort!.postMessage('ready')
const kept: unknown[] = []
const leak = setInterval(() => kept.push(Array.from({ length: 200_000 }, (_, i) => ({ i }))), 5)
parentPort!.once('message', () => clearInterval(leak))
