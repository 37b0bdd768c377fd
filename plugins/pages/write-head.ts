import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { SECURITY_HEADERS } from '../security.ts'

/**
 * Writes status and headers past Fastify, and with them what its hooks would have added.
 * @returns where the body is written to, and ended
 */
export function writeHead(reply: FastifyReply, status: number): ServerResponse {
  const { raw } = reply.headers(SECURITY_HEADERS).hijack()
  return raw.writeHead(status, reply.getHeaders() as OutgoingHttpHeaders)
}
