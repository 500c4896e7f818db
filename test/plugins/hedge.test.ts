import { EventEmitter, once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import hedge, { Pace } from '../../plugins/hedge/index.js'
import { Plan } from '../../plugins/hedge/plan.js'
import { breaker, outlier, proxy, upstream } from '../../plugins/index.js'
import retry, { budgetOf } from '../../plugins/retry/index.js'
import { gateway } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen } from '../helper.js'
import { becomes, Client } from '../rules/dialogue.js'
import { type Origin, origin, type Peer } from '../transport/origin.js'

type Options = Parameters<typeof hedge>[1]

const at = ({ port }: Origin) => `http://127.0.0.1:${port}`

const answer = (text: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${text.length}\r\n\r\n${text}`

/** A request that an origin has received, and has not answered yet. */
class Asked {
  readonly path: string
  readonly peer: Peer
  gone = false

  constructor(head: string, peer: Peer) {
    this.path = head.split(' ')[1] as string
    this.peer = peer
    peer.socket.once('close', () => {
      this.gone = true
    })
  }

  answer(text: string, status?: string): void {
    this.peer.send(answer(text, status))
  }
}

/** Two origins that answer when they are told; requests go to the first one first. */
class Held extends EventEmitter {
  readonly asked: [Asked[], Asked[]] = [[], []]
  readonly origins: Origin[] = []

  static async make(t: Test): Promise<Held> {
    const held = new Held()
    for (const list of held.asked) held.origins.push(await origin(t, peer => held.#serve(peer, list)))
    return held
  }

  /** What an origin was asked as its `count`th request. */
  async at(place: 0 | 1, count = 1): Promise<Asked> {
    for (;;) {
      const asked = this.asked[place][count - 1]
      if (asked !== undefined) return asked
      await once(this, 'asked')
    }
  }

  get paths(): string[][] {
    return this.asked.map(list => list.map(({ path }) => path))
  }

  async #serve(peer: Peer, list: Asked[]): Promise<void> {
    const closed = peer.closed().catch(() => {})
    while (!peer.socket.closed) {
      const head = await Promise.race([peer.until(), closed])
      if (typeof head !== 'string') return
      // Not the end of a chunked body.
      if (!head.includes(' HTTP/1.1\r\n')) continue
      list.push(new Asked(head, peer))
      this.emit('asked')
    }
  }
}

interface Setup {
  /** Registered between the upstream and the proxy; the hedge alone when left out. */
  define?: (app: FastifyInstance, options: Options) => void
}

/** A listening gateway with hedges in front of two origins, its debug lines, and what the origins are asked. */
async function before(t: Test, options: Options = { delay: 1 }, { define = hedged }: Setup = {}) {
  const held = await Held.make(t)
  const log = lines()
  const app = gateway({ logger: { stream: log, level: 'debug' }, accessLog: true })
  app.register(upstream, { endpoints: held.origins.map(at) })
  define(app, options)
  app.register(proxy)
  const port = await listen(t, app)
  const told = (msg: string) => log.all.filter(line => line.msg === msg)
  return { app, held, port, told, urls: held.origins.map(at) }
}

function hedged(app: FastifyInstance, options: Options): void {
  app.register(hedge, options)
}

/** No request is under way at any endpoint. */
const still = (app: FastifyInstance) => becomes(() => app.upstream.pending === 0)

t.test('a late answer is asked for elsewhere, and the first good one wins', async t => {
  const { app, held, port, told, urls } = await before(t)
  const asked = ask(port, '/a')
  const first = await held.at(0)
  const second = await held.at(1)
  second.answer('second')
  t.match(await asked, { status: 200, text: 'second' })
  await first.peer.closed()
  await still(app)
  t.same(held.paths, [['/a'], ['/a']])
  const [sent] = told('hedge: a second attempt')
  t.match(sent, { level: 20, delay: 1, late: urls[0], reqId: /./ })
  t.match(told('hedge: won'), [{ endpoint: urls[1], attempt: 2, reqId: sent?.reqId }])
  t.match(told('request'), [{ status: 200, attempts: urls }])
})

t.test('the second attempt is given up when the first is answered', async t => {
  const { app, held, port, told, urls } = await before(t)
  const asked = ask(port, '/')
  const first = await held.at(0)
  const second = await held.at(1)
  first.answer('first')
  t.match(await asked, { status: 200, text: 'first' })
  await second.peer.closed()
  t.notOk(first.gone, 'its connection is kept')
  await still(app)
  t.match(told('hedge: won'), [{ endpoint: urls[0], attempt: 1 }])
})

t.test('an answer that comes before the delay is asked for once', async t => {
  const { held, port } = await before(t, { delay: 60_000 })
  const asked = ask(port, '/')
  ;(await held.at(0)).answer('first')
  t.match(await asked, { status: 200, text: 'first' })
  t.same(held.paths, [['/'], []])
})

t.test('a failure before the delay is handed on at once', async t => {
  const { held, port } = await before(t, { delay: 60_000 })
  const refused = ask(port, '/')
  ;(await held.at(0)).answer('no', '503 Nope')
  t.match(await refused, { status: 503, text: 'no' })
  const reset = ask(port, '/')
  ;(await held.at(1)).peer.socket.resetAndDestroy()
  t.equal((await reset).status, 502)
  t.same(held.paths, [['/'], ['/']])
})

t.test('a failure waits for the other attempt', async t => {
  for (const [failing, other] of [
    [0, 1],
    [1, 0]
  ] as const) {
    for (const fail of [
      (asked: Asked) => asked.answer('no', '503 Nope'),
      (asked: Asked) => void asked.peer.socket.resetAndDestroy()
    ]) {
      const { app, held, port } = await before(t)
      const asked = ask(port, '/')
      const both = [await held.at(0), await held.at(1)] as const
      fail(both[failing])
      await becomes(() => app.upstream.pending === 1)
      both[other].answer('ok')
      t.match(await asked, { status: 200, text: 'ok' }, `the failure of ${failing + 1} is not the answer`)
      t.notOk(both[other].gone)
    }
  }
})

t.test('when both fail, the first answer is handed on, or else the first error', async t => {
  const says = (text: string, status: string) => (asked: Asked) => asked.answer(text, status)
  const resets = (asked: Asked) => void asked.peer.socket.resetAndDestroy()
  const garbles = (asked: Asked) => asked.peer.send('hello\r\n\r\n')
  const tries = [
    [says('first', '503 Nope'), says('second', '502 Nope'), { status: 503, text: 'first' }],
    [says('first', '503 Nope'), resets, { status: 503, text: 'first' }],
    [resets, says('second', '504 Nope'), { status: 504, text: 'second' }],
    [garbles, resets, { status: 502, headers: { 'proxy-status': /GTW_ERR_BAD_RESPONSE/ } }]
  ] as const
  for (const [one, two, expected] of tries) {
    const { app, held, port, told } = await before(t)
    const asked = ask(port, '/')
    const both = [await held.at(0), await held.at(1)] as const
    one(both[0])
    await becomes(() => app.upstream.pending === 1)
    two(both[1])
    t.match(await asked, expected)
    t.equal(told('hedge: both attempts failed').length, 1)
    await still(app)
  }
})

t.test('statuses are those that do not win', async t => {
  const { app, held, port } = await before(t, { delay: 1, statuses: [500] })
  for (const [status, winner] of [
    ['503 Nope', 'first'],
    ['404 Not Found', 'first'],
    ['500 Nope', 'second']
  ] as const) {
    for (const list of held.asked) list.length = 0
    const asked = ask(port, '/')
    await Promise.all([held.at(0), held.at(1)])
    ;(await held.at(0)).answer('first', status)
    await becomes(() => app.upstream.pending < 2)
    if (winner === 'second') (await held.at(1)).answer('second')
    t.equal((await asked).text, winner, status)
    await still(app)
  }
})

t.test('a client that leaves ends both attempts', async t => {
  const { app, held, port, told } = await before(t)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const both = [await held.at(0), await held.at(1)]
  client.socket.destroy()
  for (const { peer } of both) await peer.closed()
  await still(app)
  await becomes(() => told('request').length === 1)
  t.match(told('request'), [{ status: 499 }])
})

t.test('a client that leaves during the wait for the other attempt ends it', async t => {
  const { app, held, port } = await before(t)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [first, second] = [await held.at(0), await held.at(1)]
  first.answer('no', '503 Nope')
  await becomes(() => app.upstream.pending === 1)
  client.socket.destroy()
  await second.peer.closed()
  await still(app)
})

/**
 * Sends a request, and a GET behind it that is hedged: the alarm of the one would have rung first, if it had any.
 * @returns what both origins were asked of the first one
 */
async function askedBeside(held: Held, port: number, bytes: string, t: Test): Promise<number> {
  const client = new Client(t, port)
  client.send(bytes)
  await becomes(() => held.asked.flat().length === 1)
  void ask(port, '/marker').catch(() => {})
  await becomes(() => held.asked.flat().filter(({ path }) => path === '/marker').length === 2)
  const beside = held.asked.flat().filter(({ path }) => path !== '/marker')
  for (const one of beside) one.answer('ok')
  return beside.length
}

t.test('a request that is not idempotent, has a body or switches protocols is sent once', async t => {
  for (const bytes of [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody',
    'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
  ]) {
    const { held, port } = await before(t)
    t.equal(await askedBeside(held, port, bytes, t), 1, bytes)
  }
  const { held, port } = await before(t)
  const bytes = 'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n'
  t.equal(await askedBeside(held, port, bytes, t), 2, 'as this one is not')
})

t.test('methods are those that may be sent twice', async t => {
  const { held, port } = await before(t, { delay: 1, methods: ['GET'] })
  t.equal(await askedBeside(held, port, 'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n', t), 1)
})

t.test('a request is not sent to the same endpoint twice', async t => {
  const { app, held, port } = await before(t)
  const [one] = app.upstream.endpoints
  app.upstream.select = ({ path }) => (path === '/bound' ? { zone: 'a' } : undefined)
  app.upstream.remove(one as never)
  app.upstream.add({ url: at(held.origins[0] as Origin), labels: { zone: 'a' } })
  t.equal(await askedBeside(held, port, 'GET /bound HTTP/1.1\r\nHost: a\r\n\r\n', t), 1)
})

t.test('a request that is bound to an endpoint stays there', async t => {
  const { held, port } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        hedged(app, options)
        app.addUpstreamFilter((request, next) => {
          if (request.path === '/bound') request.preferred = app.upstream.endpoints[1]
          return next(request)
        })
      }
    }
  )
  t.equal(await askedBeside(held, port, 'GET /bound HTTP/1.1\r\nHost: a\r\n\r\n', t), 1)
  t.equal(held.asked[1][0]?.path, '/bound')
})

t.test('a blocked or full endpoint is not asked', async t => {
  for (const shut of [
    (app: FastifyInstance) => app.upstream.endpoints[1]?.block('test'),
    (app: FastifyInstance) => Object.assign(app.upstream.endpoints[1] as object, { limit: 0 })
  ]) {
    const { app, held, port } = await before(t)
    app.upstream.add(`${at(held.origins[1] as Origin)}/other`)
    shut(app)
    const asked = ask(port, '/one')
    t.equal((await held.at(1)).path, '/other/one')
    ;(await held.at(0)).answer('ok')
    await asked
  }
})

const orders = [
  ['behind retries', [retry, hedge]],
  ['before retries', [hedge, retry]]
] as const

function both(order: readonly unknown[], options: object = {}): Setup {
  return {
    define: (app, own) => {
      for (const one of order) app.register(one as typeof hedge, one === hedge ? own : (options as never))
    }
  }
}

t.test('hedges and retries have one budget', async t => {
  for (const [, order] of orders) {
    const budget = { share: 0, floor: 0.2, window: 10_000 }
    const { app, held, port, told } = await before(t, { delay: 1 }, both(order, { budget }))
    for (const count of [1, 2]) {
      const asked = ask(port, '/')
      await Promise.all([held.at(0, count), held.at(1, count)])
      ;(await held.at(0, count)).answer('ok')
      await asked
      await still(app)
    }
    const asked = ask(port, '/')
    await becomes(() => told('hedge: the budget is spent').length === 1)
    t.equal(held.asked.flat().length, 5, 'two of three are hedged')
    t.equal(budgetOf(app.upstream).left, 0)
    ;(await held.at(0, 3)).answer('ok')
    await asked
  }
})

t.test('requests are counted for the budget once, by whoever is there to do it', async t => {
  for (const [name, order] of [['alone', [hedge]], ...orders] as const) {
    const { app, held, port } = await before(t, { delay: 60_000 }, both(order))
    const { left } = budgetOf(app.upstream)
    for (let count = 0; count < 16; count++) {
      const asked = ask(port, '/')
      ;(await held.at((count % 2) as 0 | 1, 1 + (count >> 1))).answer('ok')
      await asked
    }
    t.equal(Math.round((budgetOf(app.upstream).left - left) * 10), 32, name)
  }
})

t.test('what was sent again is not measured', async t => {
  const { observe } = Pace.prototype
  let observed = 0
  Pace.prototype.observe = () => void observed++
  t.teardown(() => {
    Pace.prototype.observe = observe
  })
  const { held, port } = await before(t, {}, both([hedge, retry]))
  const again = ask(port, '/')
  ;(await held.at(0)).answer('no', '503 Nope')
  ;(await held.at(1)).answer('ok')
  t.equal((await again).status, 200)
  t.equal(observed, 0)
  const once = ask(port, '/')
  ;(await held.at(0, 2)).answer('ok')
  await once
  t.equal(observed, 1)
})

t.test('no plan outlives the app', async t => {
  const { close } = Plan.prototype
  const closed = new Set<Plan>()
  Plan.prototype.close = function spy(this: Plan) {
    closed.add(this)
    close.call(this)
  }
  t.teardown(() => {
    Plan.prototype.close = close
  })
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:3000'] })
  app.register(hedge)
  app.get('/own', { config: { hedge: { delay: 2 } }, exposeHeadRoute: false }, (_request, reply) => reply.forward())
  t.equal(await bootError(app), undefined)
  t.equal(closed.size, 2)
})

for (const [name, order] of orders) {
  t.test(`${name}: the loser is not sent again`, async t => {
    const { app, held, port, told } = await before(t, { delay: 1 }, both(order, { backoff: { base: 0 } }))
    const asked = ask(port, '/')
    const [first, second] = [await held.at(0), await held.at(1)]
    second.answer('second')
    t.match(await asked, { status: 200, text: 'second' })
    await first.peer.closed()
    await still(app)
    t.match(told('request'), [{ attempts: { length: 2 } }])
    t.equal(told('retry: once more').length, 0)
  })

  t.test(`${name}: what fails before the delay is sent again elsewhere`, async t => {
    const { held, port, told } = await before(t, { delay: 60_000 }, both(order))
    const asked = ask(port, '/')
    ;(await held.at(0)).answer('no', '503 Nope')
    ;(await held.at(1)).answer('ok')
    t.match(await asked, { status: 200, text: 'ok' })
    t.equal(told('retry: once more').length, 1)
  })

  t.test(`${name}: when both attempts fail, the request is sent again within the budget`, async t => {
    const budget = { share: 0, floor: 0.3, window: 10_000 }
    const options = { attempts: 16, backoff: { base: 0 }, budget }
    const { app, held, port } = await before(t, { delay: 1 }, both(order, options))
    let attempts = 0
    app.upstream.watch((_endpoint, change) => {
      if (change === 1) attempts++
    })
    const asked = ask(port, '/')
    await Promise.all([held.at(0), held.at(1)])
    const failing = new Set<Asked>()
    const fail = () => {
      for (const one of held.asked.flat()) {
        if (failing.has(one)) continue
        failing.add(one)
        one.answer('no', '503 Nope')
      }
    }
    held.on('asked', fail)
    fail()
    t.match(await asked, { status: 503, text: 'no' })
    await still(app)
    t.equal(attempts, 4, 'one of a client, and three of the budget')
  })

  t.test(`${name}: a client that leaves ends both attempts`, async t => {
    const { app, held, port } = await before(t, { delay: 1 }, both(order))
    const client = new Client(t, port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const pair = [await held.at(0), await held.at(1)]
    client.socket.destroy()
    for (const { peer } of pair) await peer.closed()
    await still(app)
    t.equal(held.asked.flat().length, 2)
  })

  t.test(`${name}: a limit of time ends both attempts`, async t => {
    const { app, held, port } = await before(t, { delay: 1 }, both(order, { deadline: 40 }))
    const asked = ask(port, '/')
    const pair = [await held.at(0), await held.at(1)]
    t.equal((await asked).status, 504)
    for (const { peer } of pair) await peer.closed()
    await still(app)
    t.equal(held.asked.flat().length, 2)
  })
}

t.test('neither attempt counts against its endpoint when the other one wins', async t => {
  const { app, held, port } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        app.register(outlier, { consecutive: { serverErrors: 1, gatewayErrors: 1, connectErrors: 1 } })
        app.register(breaker, { consecutive: 1 } as never)
        hedged(app, options)
      }
    }
  )
  const blocked: string[] = []
  app.upstream.on('block', (_endpoint, reason) => blocked.push(reason))
  for (const [winner, loser] of [
    [0, 1],
    [1, 0]
  ] as const) {
    for (const list of held.asked) list.length = 0
    const asked = ask(port, '/')
    const both = [await held.at(0), await held.at(1)] as const
    both[winner].answer('ok')
    t.equal((await asked).status, 200)
    await both[loser].peer.closed()
    await still(app)
  }
  t.same(blocked, [])
})

t.test('interim answers are those of the first attempt', async t => {
  const { held, port } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        hedged(app, options)
        app.addEndpointFilter((request, next, { url }) => {
          const relay = request.onInterim
          request.onInterim = (status, headers) => relay?.(status, { ...headers, 'x-by': url })
          return next(request)
        })
      }
    }
  )
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const [first, second] = [await held.at(0), await held.at(1)]
  second.peer.send('HTTP/1.1 103 Early Hints\r\nLink: </two>\r\n\r\n')
  first.peer.send('HTTP/1.1 103 Early Hints\r\nLink: </one>\r\n\r\n')
  const hints = await client.until()
  t.match(hints, /^HTTP\/1.1 103 .*\r\nlink: <\/one>\r\n/is)
  t.match(hints, `x-by: ${at(held.origins[0] as Origin)}\r\n`)
  second.answer('ok')
  const rest = await client.rest()
  t.match(rest, /^HTTP\/1.1 200 /)
  t.notMatch(rest, /103/)
})

t.test('the body of the winner is handed on as it comes', async t => {
  const { app, held, port } = await before(t)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [first, second] = [await held.at(0), await held.at(1)]
  second.peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
  t.match(await client.until('one\r\n'), /^HTTP\/1.1 200 /)
  await first.peer.closed()
  second.peer.send('3\r\ntwo\r\n')
  await client.until('two\r\n')
  client.socket.destroy()
  await second.peer.closed()
  await still(app)
})

t.test('a failure that was held is read to its end, and its connection kept', async t => {
  const statuses: number[] = []
  const { app, held, port } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        hedged(app, options)
        app.addEndpointFilter(async (request, next) => {
          const response = await next(request)
          statuses.push(response.statusCode)
          return response
        })
      }
    }
  )
  const asked = ask(port, '/')
  const [first, second] = [await held.at(0), await held.at(1)]
  first.peer.send('HTTP/1.1 503 Nope\r\nContent-Length: 4\r\n\r\nha')
  await becomes(() => statuses.length === 1)
  second.answer('ok')
  t.equal((await asked).text, 'ok')
  first.peer.send('lf')
  await still(app)
  t.match(app.upstream.endpoints[0]?.connections, { opened: 1, busy: 0, idle: 1 })
})

t.test('a delay is measured when none is given', async t => {
  const { held, port, told } = await before(t, { samples: 10, minimum: 1 })
  for (let count = 0; count < 10; count++) {
    const asked = ask(port, '/')
    ;(await held.at((count % 2) as 0 | 1, 1 + (count >> 1))).answer('ok')
    await asked
  }
  const asked = ask(port, '/late')
  ;(await held.at(1, 6)).answer('ok')
  t.equal((await asked).text, 'ok')
  const [line] = told('hedge: a second attempt')
  t.ok(Number(line?.delay) >= 1, `${line?.delay} ms`)
})

t.test('a route has options of its own, or no hedges', async t => {
  const { held, port, told } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        app.get('/none', { config: { hedge: false } }, (_request, reply) => reply.forward())
        hedged(app, options)
        app.get('/own', { config: { hedge: { delay: 2 } } }, (_request, reply) => reply.forward())
      }
    }
  )
  t.equal(await askedBeside(held, port, 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n', t), 1)
  void ask(port, '/own').catch(() => {})
  await becomes(() => held.asked.flat().filter(({ path }) => path === '/own').length === 2)
  t.match(told('hedge: a second attempt').at(-1), { delay: 2 })
})

t.test('the options of the nearest scope count, and not those around it too', async t => {
  const { held, port, told } = await before(
    t,
    { delay: 1 },
    {
      define: (app, options) => {
        hedged(app, options)
        app.register(
          async scope => {
            scope.register(hedge, { delay: 2 })
            scope.register(proxy)
          },
          { prefix: '/in' }
        )
      }
    }
  )
  const asked = ask(port, '/in')
  const [first] = [await held.at(0), await held.at(1)]
  first.answer('ok')
  await asked
  t.match(told('hedge: a second attempt'), [{ delay: 2 }])
  t.equal(told('hedge: won').length, 1)
  for (const [path, delay, count] of [
    ['/out', 1, 2],
    ['/in', 2, 3]
  ] as const) {
    const asked = ask(port, path)
    const [first] = [await held.at(0, count), await held.at(1, count)]
    first.answer('ok')
    await asked
    t.match(told('hedge: a second attempt').at(-1), { delay })
  }
})

t.test('a filter that throws for the second attempt fails it alone', async t => {
  const { app, held, port, told } = await before(t)
  app.upstream.select = ({ attempts }) => {
    if (attempts.length === 1) throw new Error('broken')
    return undefined
  }
  const asked = ask(port, '/')
  const first = await held.at(0)
  await becomes(() => told('hedge: no second attempt').length === 1)
  first.answer('ok')
  t.equal((await asked).text, 'ok')
  t.equal(held.asked.flat().length, 1)
})

t.test('mistakes stop the boot', async t => {
  const booted = async (define: (app: FastifyInstance) => void) => {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://127.0.0.1:3000'] })
    define(app)
    return (await bootError(app))?.message
  }
  t.match(await booted(app => app.register(hedge, { delay: 0 })), /^hedge: option delay is 0, /)
  t.match(await booted(app => app.register(hedge, { quantile: 1 })), /^hedge: option quantile is 1, /)
  t.match(
    await booted(app => {
      app.register(hedge)
      app.register(hedge)
    }),
    'hedge: this scope has it already; register it once'
  )
  for (const [config, message] of [
    [true, /^hedge: config.hedge of GET \/a is true, but must be false or an object$/],
    [{ delay: -1 }, /^hedge: config.hedge of GET \/a: option delay is -1, /],
    [{ slow: 1 }, /^hedge: config.hedge of GET \/a: .*slow/]
  ] as const) {
    const message_ = await booted(app => {
      app.register(hedge)
      app.get('/a', { config: { hedge: config as never } }, (_request, reply) => reply.forward())
    })
    t.match(message_, message)
  }
})
