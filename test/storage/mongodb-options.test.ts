import { expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import { readConfig } from '../../plugins/config.ts'

it('MongoDB is asked for a majority and its primary, whatever a connection string says', async () => {
  const config = await readConfig({
    EVENTS_SERVER_STORAGE: 'mongodb',
    EVENTS_SERVER_LOG_LEVEL: 'silent',
    EVENTS_MONGODB_URI: 'mongodb://127.0.0.1:1/?w=1&readPreference=secondary&readConcernLevel=majority'
  })
  const app = await buildApp({ config, tick: false })
  const { writeConcern, readPreference, readConcern } = app.mongo.client.options
  expect([writeConcern?.w, readPreference.mode, readConcern?.level]).toEqual(['majority', 'primary', 'majority'])
  await app.close()
})
