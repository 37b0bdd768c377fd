import { Type } from '@sinclair/typebox'
import type { MongoClientOptions } from 'mongodb'
import { defineStorage } from './kit/define.ts'
import { StorageUnusable } from './kit/errors.ts'

export default defineStorage({
  options: Type.Object({
    host: Type.String({
      default: '127.0.0.1',
      minLength: 1,
      description: 'The host of the server.',
      allowed: 'a host name or address'
    }),
    port: Type.Integer({
      default: 27017,
      minimum: 1,
      maximum: 65535,
      description: 'The port of the server.',
      allowed: 'a whole number from 1 to 65535'
    }),
    database: Type.String({
      default: 'events',
      pattern: '^[A-Za-z0-9_-]{1,63}$',
      description: 'The database that events are kept in.',
      allowed: 'A-Z, a-z, 0-9, - and _, at most 63 of them'
    }),
    username: Type.String({
      default: '',
      description: 'User name; left out without authentication.',
      allowed: 'any text'
    }),
    password: Type.String({
      default: '',
      secret: true,
      description: 'The password of that user.',
      allowed: 'any text'
    }),
    auth_source: Type.String({
      default: '',
      description: 'The database that the user is defined in; left out: the one above.',
      allowed: 'the name of a database'
    }),
    uri: Type.String({
      default: '',
      secret: true,
      pattern: '^$|^mongodb(\\+srv)?://.',
      description: 'In place of host and port, for replica sets, clusters and TLS: a connection string.',
      allowed: 'mongodb://… | mongodb+srv://…'
    })
  }),

  async open(options, { app }) {
    const { database } = options
    // Loaded here, so that who keeps events elsewhere has it neither in memory nor to wait for.
    const [{ MongoClient }, { default: mongodbPlugin }, { createStorage }] = await Promise.all([
      import('mongodb'),
      import('@fastify/mongodb'),
      import('./mongodb/storage.ts')
    ])
    try {
      const client = new MongoClient(options.uri || `mongodb://${options.host}:${options.port}`, clientOptions(options))
      // The plugin does not connect a client that it is handed, nor close it: a server that is away must not keep the
      // service from starting.
      await app.register(mongodbPlugin, { client, database })
      return createStorage(client, app.mongo.db!)
    } catch (error) {
      throw new StorageUnusable(`[mongodb] cannot be used as it is: ${(error as Error).message}`, { cause: error })
    }
  }
})

type Keys = Record<'uri' | 'username' | 'password' | 'auth_source' | 'database', string>

function clientOptions({ uri, username, password, auth_source, database }: Keys): MongoClientOptions {
  return {
    // Unless a connection string names it.
    ...(!/[?&]appName=/i.test(uri) && { appName: 'event-service' }),
    // Host and port name one server; what finds others is a connection string.
    ...(uri === '' && { directConnection: true }),
    serverSelectionTimeoutMS: 2000,
    connectTimeoutMS: 5000,
    socketTimeoutMS: 30_000,
    waitQueueTimeoutMS: 5000,
    // What was just written must be seen, whatever a connection string prefers.
    readPreference: 'primary',
    writeConcern: { w: 'majority' },
    ...(username !== '' && { auth: { username, password }, authSource: auth_source || database })
  }
}
