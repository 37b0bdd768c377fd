import { setTimeout as sleep } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { Command, CommandKind } from '../storage/kit/command.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    commands: Commands
  }
}

export interface Commands {
  /**
   * Asks for something to be done with a source, by whichever process can; see `Storage.addCommand`.
   * @param patienceMs how long to wait for its end
   * @returns the command, done or not
   */
  ask(source: Source, kind: CommandKind, patienceMs?: number): Promise<Command>
}

const POLL_MS = 100

/** What people ask for goes through the storage, so it does not matter which process they talk to. */
export default fp(
  async (app) => {
    const stop = new AbortController()
    app.decorate('commands', {
      async ask({ name }, kind, patienceMs = 0) {
        let command = await app.storage.addCommand(name, kind)
        const { id } = command
        app.log.info({ source: name, command: kind, id }, 'the command was accepted')
        const deadline = performance.now() + patienceMs
        while (command.finished_at === null && performance.now() < deadline && !stop.signal.aborted) {
          await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined)
          command = (await app.storage.command(name, id)) ?? command
        }
        return command
      }
    })
    app.addHook('preClose', async () => stop.abort())
  },
  { name: 'commands', dependencies: ['storage'] }
)
