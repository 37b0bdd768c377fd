import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { CommandResultSchema } from '../../plugins/ingest/dry-run/result.ts'
import type { Command } from '../../storage/kit/command.ts'

/** How long an answer waits for what was asked for: less than a request may take. */
export const PATIENCE_MS = 10_000

export const commandAddress = ({ source, id }: Pick<Command, 'source' | 'id'>) =>
  `/v1/api/sources/${source}/commands/${id}`

export const CommandRef = (description: string) => Type.Ref(CommandResultSchema.$id!, { description })

/** With its result, which is JSON already. */
export function sendCommand(reply: FastifyReply, { result, ...command }: Command): FastifyReply {
  const json = JSON.stringify(command)
  return reply.type('application/json; charset=utf-8').send(`${json.slice(0, -1)},"result":${result}}`)
}
