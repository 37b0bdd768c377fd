import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { BAD_DATES } from './bad-dates.ts'
import { startListed } from './listed.ts'
import { recordHazard } from './record.ts'

/** After `/v1/api/events?`. */
const INJECTIONS = [
  'start_date[$gt]=',
  'start_date[]=2021-01-01&start_date[]=2021-01-02',
  'start_date=2021-01-01&start_date=2021-01-02',
  'start_date=%7B%22$gt%22:%22%22%7D',
  "start_date=2021-01-01' or '1'='1",
  `start_date=${'9'.repeat(8000)}`,
  'end_date=%00',
  'end_date=$$NOW',
  'source[$ne]=x',
  'source=demo&source=other',
  'source=%7B%22$ne%22:null%7D',
  "source=' or 1=1 --",
  'source=demo%00',
  'source=__proto__%00',
  'sell_mode[$in]=online',
  'sell_mode=online&sell_mode=any',
  'sell_mode=$any',
  'match=/.*/',
  'match[$regex]=.*',
  'limit=1e9',
  'limit=-1',
  'limit=9007199254740993',
  'limit=1;drop table events',
  'limit[$gt]=0',
  'cursor=%7B%22$gt%22:%22%22%7D',
  `cursor=${'A'.repeat(8000)}`,
  '$where=sleep(1000)',
  '__proto__[limit]=1',
  'constructor[prototype][limit]=1',
  'hasOwnProperty=1'
]

describe('a query', () => {
  it('that brings operators, objects or monsters is refused before it reaches the storage', async ({ task }) => {
    expect(new Set(INJECTIONS).size).toBe(30)
    await using listed = await startListed()
    const { service } = listed
    const { storage } = service.app
    let reached = 0
    for (const method of ['find', 'get', 'stream'] as const) {
      const original = storage[method] as (...args: unknown[]) => never
      Object.assign(storage, {
        [method]: (...args: unknown[]) => {
          reached++
          return original.apply(storage, args)
        }
      })
    }
    expect((await service.get('/v1/api/events?limit=1')).status).toBe(200)
    expect(reached).toBe(1)
    reached = 0

    const statuses: [string, number][] = []
    for (const query of INJECTIONS) statuses.push([query, (await service.get(`/v1/api/events?${query}`)).status])
    const refused = statuses.filter(([, status]) => status === 400).length
    const faults = statuses.filter(([, status]) => status >= 500).length
    recordHazard(task, {
      hazard: '30 query injections ($gt, arrays, __proto__, regex, huge)',
      expected: '400',
      figure: `400 ${refused} of 30, reached a store ${reached}, 5xx ${faults}`
    })
    expect(statuses).toEqual(INJECTIONS.map((query) => [query, 400]))
    expect(reached).toBe(0)
    expect(({} as Record<string, unknown>).limit).toBeUndefined()
  })
})

/** The same of what else can be asked for. */
const MORE_INJECTIONS = [
  'q[$regex]=.*',
  'q=',
  'q=%F0%9F%8E%AD',
  `q=${'x'.repeat(10_000)}`,
  'q=a&q=b',
  'q=%ff',
  'zone=%C3%28',
  'zone=%ED%A0%80',
  'zone[$where]=1',
  `zone=${'ñ'.repeat(201)}`,
  'min_price[$gt]=',
  'min_price=1e400',
  'min_price=NaN',
  'max_price=0x',
  'min_capacity=1e999',
  'free=1%20or%201=1',
  'available=null',
  'sold_out[]=true',
  'numbered=%7B%7D',
  'status=listed%00',
  'status[$nin]=listed',
  `source=${','.repeat(5000)}`,
  `base_event_id=${Array.from({ length: 3000 }, () => 'a').join()}`,
  'organizer_company_id[$ne]=1',
  'sort=$natural',
  "sort=start'--",
  'fields=id,__proto__',
  'fields=constructor',
  'tz=../../etc/passwd',
  'updated_since[$gt]='
]

/** What a title or an id may look like: it is looked for as it is. */
const TEXTS = [
  ...[
    "' or '1'='1",
    '"; drop table events; --',
    '{"$gt":""}',
    '$where',
    '.*',
    '(a+)+$',
    '%',
    '_',
    'a" OR "b',
    'NEAR(a b)'
  ],
  ...['a*', '-a', '^a', 'words:a', '\u0000', '\\', '__proto__', 'constructor', '[$ne]', '\u202e']
]

describe('other parameters', () => {
  it('refuse what cannot be meant, and take no text for more than text', async ({ task }) => {
    await using listed = await startListed()
    const { service } = listed
    const { storage } = service.app
    const asked: unknown[] = []
    const { find } = storage
    storage.find = (query, page) => {
      asked.push(query.filters)
      return find(query, page)
    }
    expect(new Set(MORE_INJECTIONS).size).toBe(30)
    const statuses: [string, number][] = []
    for (const query of MORE_INJECTIONS) {
      const { status, body } = await service.get(`/v1/api/events?${query}`)
      statuses.push([query, status])
      expect([query, body.code, typeof body.parameter]).toEqual([query, 'invalid_parameter', 'string'])
    }
    expect(statuses).toEqual(MORE_INJECTIONS.map((query) => [query, 400]))
    expect(asked).toEqual([])

    const faults: string[] = []
    for (const text of TEXTS) {
      for (const parameter of ['q', 'zone', 'base_event_id', 'organizer_company_id']) {
        const url = `/v1/api/events?${parameter}=${encodeURIComponent(text)}`
        const { status, body } = await service.get(url)
        if (status >= 500 || (status === 200 && body.data.length > 0 && parameter !== 'zone')) faults.push(url)
      }
    }
    expect(faults).toEqual([])
    const isPlain = (value: unknown): boolean =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).every(([key, one]) => /^\w+$/.test(key) && isPlain(one))
        : true
    const operators = asked.filter((filters) => !isPlain(filters)).length
    recordHazard(task, {
      hazard: '30 injections into the other parameters, 80 texts that look like some',
      expected: '400; as text',
      figure: `400 ${statuses.length} of 30, 5xx ${faults.length}, operators that reached a store ${operators}`
    })
    expect(operators).toBe(0)
  })

  it('take no date that is none, wherever there is one', async ({ task }) => {
    await using listed = await startListed()
    const { service } = listed
    // As an instant and a day are dates here.
    const dates = BAD_DATES.filter((date) => !['2021-06-30', '2021-06-30t21:00:00'].includes(date))
    const wrong: string[] = []
    const paths = ['start_date', 'end_date', 'updated_since', 'as_of'].map((name) => [`/v1/api/events?${name}=`, name])
    for (const [path, name] of [...paths, ['/v1/api/changes?since=', 'since']]) {
      for (const date of dates) {
        const { status, body } = await service.get(path + encodeURIComponent(date))
        if (status !== 400 || body.parameter !== name || !body.allowed) wrong.push(`${path}${date} ${status}`)
      }
    }
    recordHazard(task, {
      hazard: `${dates.length} bad dates in each of 5 parameters`,
      expected: '400, with parameter and hint',
      figure: `400 ${dates.length * 5 - wrong.length} of ${dates.length * 5}`
    })
    expect(wrong).toEqual([])
  })

  it('take no cursor of another store, nor of a former version', async () => {
    await using listed = await startListed()
    await using other = await startListed()
    const cursor = (await other.service.get('/v1/api/events?limit=1')).body.page.next_cursor!
    const former = Buffer.from(
      JSON.stringify(['x', '2021-01-01T00:00:00Z', '00000000-0000-5000-8000-000000000000'])
    ).toString('base64url')
    for (const one of [cursor, former]) {
      const { status, body } = await listed.service.get(`/v1/api/events?limit=1&cursor=${one}`)
      expect([status, body.code, body.parameter]).toEqual([400, 'invalid_parameter', 'cursor'])
    }
    expect((await other.service.get(`/v1/api/events?limit=1&cursor=${cursor}`)).status).toBe(200)
  })
})

// Of a stack, a file, a driver, the framework, a system call.
const TELLING =
  /\n\s+at |node_modules|\.[jt]s\b|[Ss](ql|QL)(ite|ITE)|[Mm]ongo|bson|FST_|EVT_|errno|\bE[A-Z]{4,}|\/(home|tmp|work|app)\/|secret|reading '/

describe('an error', () => {
  it('is problem+json whatever went wrong, and tells nothing of what is inside', async ({ task }) => {
    await using listed = await startListed()
    const { service } = listed
    const { app } = service
    const origin = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const answers: { what: string; status: number; type: string | null; body: string }[] = []
    const ask = async (what: string, path: string, init: RequestInit = {}) => {
      const response = await fetch(new URL(path, origin), init)
      const body = await response.text()
      answers.push({ what, status: response.status, type: response.headers.get('content-type'), body })
    }
    const send = async (what: string, bytes: string) => {
      const socket = connect(Number(origin.port), origin.hostname)
      socket.end(bytes)
      const [head, body] = (await text(socket)).split('\r\n\r\n')
      const type = /content-type: (.*)/i.exec(head!)?.[1]?.trim() ?? null
      answers.push({ what, status: Number(head!.split(' ')[1]), type, body: body! })
    }
    await ask('a bad parameter', '/v1/api/events?start_date=soon')
    await ask('several bad parameters', '/v1/api/events?start_date[$gt]=&limit=x')
    await ask('an unknown parameter', '/v1/api/events?nonsense=1')
    await ask('a bad id', '/v1/api/events/..%2f..%2fetc%2fpasswd')
    await ask('an unknown event', '/v1/api/events/00000000-0000-5000-8000-000000000000')
    await ask('an unknown source', '/v1/api/sources/nowhere')
    await ask('a source that is part of objects', '/v1/api/sources/__proto__')
    await ask('an unknown path', '/v1/api/nowhere')
    await ask('a path that cannot be decoded', '/v1/api/events/%ff%')
    await ask('a path that leads out', '/v1/api/docs/ui/static/..%2f..%2fpackage.json')
    await ask('a method that is not allowed', '/v1/api/events', { method: 'DELETE' })
    await ask('a body that is not wanted', '/v1/api/events', { method: 'POST', body: '{' })
    await ask('a path that is too long', `/v1/api/events/${'a'.repeat(5000)}`)
    await send('what is not HTTP', 'HELO provider\r\n\r\n')
    await send(
      'a request with two lengths',
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'
    )
    await send('headers without end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)

    const telling = new Error('SQLITE_CORRUPT: secret in /home/app/data/events.db')
    const faults: [string, Error][] = [
      ['a storage that is away', new StorageUnavailable('the SQLite file /home/app/secret.db: disk I/O error')],
      ['a fault of a driver', Object.assign(telling, { code: 'ERR_SQLITE_ERROR', errcode: 11 })],
      ['a fault of ours', new TypeError("Cannot read properties of undefined (reading 'secret')")],
      ['a fault with a status', Object.assign(new Error('MongoServerError: secret'), { statusCode: 502 })]
    ]
    const { storage } = app
    for (const [what, fault] of faults) {
      expect(fault.message).toMatch(TELLING)
      const fail = async () => {
        throw fault
      }
      const kept = { ...storage }
      Object.assign(storage, { find: fail, get: fail, runs: fail, rejects: fail })
      await ask(`${what}, list`, '/v1/api/events')
      await ask(`${what}, one`, '/v1/api/events/00000000-0000-5000-8000-000000000000')
      await ask(`${what}, runs`, '/v1/api/sources/demo/runs')
      await ask(`${what}, rejects`, '/v1/api/sources/demo/rejects')
      Object.assign(storage, kept)
    }

    const isProblem = ({ status, type, body }: (typeof answers)[number]) =>
      status >= 400 &&
      type?.startsWith('application/problem+json') === true &&
      JSON.parse(body).status === status &&
      /^[a-z_]+$/.test(JSON.parse(body).code)
    const others = answers.filter((answer) => !isProblem(answer))
    const leaks = answers.filter(({ body }) => TELLING.test(body)).map(({ what }) => what)
    recordHazard(task, {
      hazard: 'every error',
      expected: 'problem+json, no stack, no driver text',
      figure: `problem+json ${answers.length - others.length} of ${answers.length}, leaks ${leaks.length}`
    })
    expect(others).toEqual([])
    expect(leaks).toEqual([])
    for (const { what, status } of answers) {
      const isOurs = faults.some(([fault]) => what.startsWith(fault))
      expect(status >= 500, `${what}: ${status}`).toBe(isOurs)
    }
    expect((await fetch(new URL('/v1/api/events', origin))).status).toBe(200)
  })
})
