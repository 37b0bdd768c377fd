import type { FastifyReply } from 'fastify'

/** Adds to what others have said already. */
export function vary(reply: FastifyReply, name: string): void {
  const former = reply.getHeader('vary')
  if (former === undefined) reply.header('vary', name)
  else if (!names(former).includes(name.toLowerCase())) reply.header('vary', `${former}, ${name}`)
}

const names = (header: unknown) =>
  String(header)
    .toLowerCase()
    .split(/\s*,\s*/)
