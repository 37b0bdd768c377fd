/** It has no types of its own; these are the parts that are used here. */
declare module 'autocannon' {
  interface Request {
    path: string
  }
  interface Options {
    url: string
    duration: number
    connections: number
    headers?: Record<string, string>
    requests?: Request[]
    setupClient?: (client: { setRequests(requests: Request[]): void }) => void
  }
  interface Result {
    requests: { average: number }
    non2xx: number
    '3xx': number
    errors: number
  }
  export default function autocannon(options: Options): Promise<Result>
}
