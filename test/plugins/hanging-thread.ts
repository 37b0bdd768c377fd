// Says once that it is alive, then hangs.
import { parentPort } from 'node:worker_threads'

parentPort!.postMessage('alive')
parentPort!.once('message', () => parentPort!.close())
setTimeout(() => {
  for (;;);
}, 20)
