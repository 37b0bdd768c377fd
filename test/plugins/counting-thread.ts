// Counts its start in the place that it is given, and goes when it is told to.
import { parentPort, workerData } from 'node:worker_threads'

Atomics.add(workerData.starts, workerData.place, 1)
parentPort!.postMessage('ready')
parentPort!.once('message', () => parentPort!.close())
