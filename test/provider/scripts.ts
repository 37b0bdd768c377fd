import type { Answer, Script } from './answer.ts'

/** The scripts one after the other, each for so many requests; the last one stays. */
export function inTurn(...parts: { times?: number; script: Script | Answer }[]): Script {
  let index = 0
  let answered = 0
  return (request) => {
    while (index < parts.length - 1 && answered >= (parts[index]!.times ?? 1)) {
      index++
      answered = 0
    }
    answered++
    return decide(parts[index]!.script, request)
  }
}

/** The scripts one after the other, one a request, and from the beginning again. */
export function inCircles(...scripts: (Script | Answer)[]): Script {
  let requests = 0
  return (request) => decide(scripts[requests++ % scripts.length]!, request)
}

/** `hops` redirects, then what `script` answers. `to` replaces the last hop by any address. */
export function redirectChain(hops: number, script: Script | Answer, to?: string): Script {
  return (request) => {
    const hop = Number(/^\/hop-(\d+)$/.exec(request.url!)?.[1] ?? 0)
    if (hop === hops) return decide(script, request)
    const location = hop === hops - 1 && to !== undefined ? to : `/hop-${hop + 1}`
    return { status: [301, 302, 303, 307, 308][hop % 5]!, headers: { location } }
  }
}

function decide(script: Script | Answer, request: Parameters<Script>[0]): Answer {
  return typeof script === 'function' ? script(request) : script
}
