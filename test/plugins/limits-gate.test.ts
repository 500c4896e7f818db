import { Readable } from 'node:stream'
import t from 'tap'
import { Gate, type GateOptions } from '../../plugins/limits/gate.js'
import { type Endpoint, GatewayError, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'

const defaults: GateOptions = {
  pending: Number.POSITIVE_INFINITY,
  length: 10,
  deadline: 10_000,
  retryAfter: 1,
  subsets: () => false,
  now: () => performance.now()
}

const full = () => new GatewayError('GTW_ERR_OVERLOADED', { detail: 'every endpoint is full', unsent: true })

function requestFor(path = '/', body?: Readable): UpstreamRequest {
  return { path, body, attempts: [], aborted: false, onAbort: undefined } as unknown as UpstreamRequest
}

function answer(): UpstreamResponse {
  return { statusCode: 200, headers: {}, body: Buffer.alloc(0) }
}

/** Until all that is ready has run. */
const settle = () => new Promise<void>(resolve => setImmediate(resolve))

t.test('room made between the refusal of an endpoint and the wait is not missed', async t => {
  const gate = new Gate(defaults)
  let calls = 0
  const response = await gate.pass(requestFor(), () => {
    if (++calls > 1) return Promise.resolve(answer())
    gate.open(1)
    return Promise.reject(full())
  })
  t.equal(response.statusCode, 200)
  t.equal(gate.admitted, 0)
})

t.test('those who wait are asked once for each opening, in their order', async t => {
  const gate = new Gate(defaults)
  const asked: string[] = []
  let room = 0
  const next = (request: UpstreamRequest) => {
    asked.push(request.path)
    return room-- > 0 ? Promise.resolve(answer()) : Promise.reject(full())
  }
  const passed: string[] = []
  for (const path of ['/1', '/2', '/3']) void gate.pass(requestFor(path), next).then(() => passed.push(path))
  await settle()
  t.same(asked, ['/1', '/2', '/3'], 'all came before one of them waited')
  gate.open(2)
  await settle()
  t.same(asked.splice(0), ['/1', '/2', '/3', '/1', '/2'])
  t.equal(gate.waiting, 3)
  room = 1
  gate.open(2)
  await settle()
  // The end of the first makes room, as far as anybody knows, so that more than two are asked.
  t.same(asked.slice(0, 2), ['/1', '/2'])
  t.same(passed, ['/1'])
  room = 2
  gate.open(2)
  await settle()
  t.same(passed, ['/1', '/2', '/3'])
  t.match(gate, { admitted: 0, waiting: 0 })
})

t.test('with subsets, one that finds no room makes way for others', async t => {
  const gate = new Gate({ ...defaults, subsets: () => true })
  let free = false
  let asked = 0
  const next = (request: UpstreamRequest) => {
    asked++
    return free && request.path === '/stable' ? Promise.resolve(answer()) : Promise.reject(full())
  }
  for (let count = 0; count < 5; count++) gate.pass(requestFor('/canary'), next).catch(() => {})
  const stable = gate.pass(requestFor('/stable'), next)
  await settle()
  asked = 0
  gate.open(1)
  await settle()
  t.equal(asked, 6, 'each is asked once')
  free = true
  gate.open(1)
  t.equal((await stable).statusCode, 200)
  await settle()
  t.equal(gate.waiting, 5)
  t.equal((await gate.pass(requestFor('/stable'), next)).statusCode, 200, 'those who wait for others are no hindrance')
  gate.close()
})

t.test('what has been sent in part is not sent again', async t => {
  const gate = new Gate(defaults)
  const tried = requestFor()
  await t.rejects(
    gate.pass(tried, ({ attempts }) => {
      attempts.push({} as Endpoint)
      return Promise.reject(full())
    }),
    { code: 'GTW_ERR_OVERLOADED', retryAfter: 1 }
  )
  const body = Readable.from(['body'])
  await t.rejects(
    gate.pass(requestFor('/', body), async () => {
      await body.toArray()
      throw full()
    }),
    { code: 'GTW_ERR_OVERLOADED', retryAfter: 1 }
  )
  t.match(gate, { admitted: 0, waiting: 0 })
})

t.test('what one gate has refused does not wait at another one', async t => {
  const outer = new Gate(defaults)
  const inner = new Gate({ ...defaults, pending: 0, length: 0, retryAfter: 3 })
  const refused = outer.pass(requestFor(), request => inner.pass(request, () => Promise.resolve(answer())))
  await t.rejects(refused, { code: 'GTW_ERR_OVERLOADED', retryAfter: 3 })
})

t.test('a body that has closed before it was handed on holds no place', async t => {
  const gate = new Gate(defaults)
  const body = Readable.from(['x'])
  body.destroy()
  await settle()
  await gate.pass(requestFor(), () => Promise.resolve({ ...answer(), body }))
  t.equal(gate.admitted, 0)
})

t.test('a request whose client has left does not wait', async t => {
  const gate = new Gate({ ...defaults, pending: 0 })
  const request = { ...requestFor(), aborted: true }
  await t.rejects(
    gate.pass(request, () => Promise.resolve(answer())),
    { code: 'GTW_ERR_CLIENT_GONE' }
  )
})
