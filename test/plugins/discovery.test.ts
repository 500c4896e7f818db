import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import discovery, { type EndpointList, type Source } from '../../plugins/discovery/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type EndpointInput, gateway, OptionsError, type Upstream } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'

const fast = { interval: 1, backoff: { minimum: 1, maximum: 1 } }

/** A source that the test speaks for: what it says is heard before `say` resolves. */
function spoken() {
  const waiting: ((answer: EndpointList | Error) => void)[] = []
  const asked = new EventEmitter<{ asked: [] }>()
  const source: Source = async function* () {
    for (;;) {
      const answer = new Promise<EndpointList | Error>(resolve => waiting.push(resolve))
      asked.emit('asked')
      yield await answer
    }
  }
  const say = async (answer: EndpointList | Error): Promise<void> => {
    if (waiting.length === 0) await once(asked, 'asked')
    const heard = once(asked, 'asked')
    ;(waiting.shift() as (answer: EndpointList | Error) => void)(answer)
    await heard
  }
  return { source, say }
}

interface Setup {
  endpoints?: (string | EndpointInput)[]
  options?: object
  log?: ReturnType<typeof lines>
}

async function discovered(t: Test, source: Source, { endpoints = [], options = {}, log }: Setup = {}) {
  const app = gateway(log === undefined ? {} : { logger: { stream: log, level: 'debug' } })
  app.register(upstream, { endpoints: endpoints as string[] })
  app.register(discovery, { source, ...options })
  app.register(proxy)
  const port = await listen(t, app)
  return { app, port, upstream: app.upstream }
}

const urls = ({ endpoints }: Upstream) => endpoints.map(({ url }) => url)

t.test('the boot waits for the first list', async t => {
  const url = await origin(t, (_request, response) => response.end('found'))
  const { upstream, port } = await discovered(t, async () => [url])
  t.same(urls(upstream), [url])
  t.equal(upstream.source, 'a function')
  t.equal((await ask(port, '/')).text, 'found')
})

t.test('endpoints that stay are the same objects, those that leave are removed, and new ones are added', async t => {
  const { source, say } = spoken()
  const said = say(['http://a', 'http://b'])
  const { upstream } = await discovered(t, source)
  await said
  const [a] = upstream.endpoints
  const events: string[] = []
  for (const name of ['add', 'remove', 'change'] as const) upstream.on(name, ({ url }) => events.push(`${name} ${url}`))
  await say(['http://c', 'http://a'])
  t.same(events, ['add http://c', 'remove http://b'])
  t.equal(upstream.find('http://a'), a)
  t.same(urls(upstream), ['http://a', 'http://c'])
})

t.test('another weight is set, another priority makes another endpoint', async t => {
  const { source, say } = spoken()
  const said = say(['http://a', 'http://b'])
  const { upstream } = await discovered(t, source)
  await said
  const [a, b] = upstream.endpoints
  await say([
    { url: 'http://a', weight: 7 },
    { url: 'http://b', priority: 1 }
  ])
  t.equal(upstream.find('http://a'), a)
  t.equal(a?.weight, 7)
  t.equal(b?.removed, true)
  t.equal(upstream.find('http://b')?.priority, 1)
})

t.test('a weight set by hand stays until the source changes it', async t => {
  const { source, say } = spoken()
  const said = say(['http://a'])
  const { upstream } = await discovered(t, source)
  await said
  const [a] = upstream.endpoints
  if (a !== undefined) a.weight = 0
  await say(['http://a', 'http://b'])
  t.equal(a?.weight, 0)
  await say([{ url: 'http://a', weight: 2 }, 'http://b'])
  t.equal(a?.weight, 2)
})

t.test('an endpoint removed by hand is gone until the source takes it away and brings it again', async t => {
  const { source, say } = spoken()
  const said = say(['http://a', 'http://b'])
  const { upstream } = await discovered(t, source)
  await said
  const [a] = upstream.endpoints
  if (a !== undefined) upstream.remove(a)
  await say(['http://a', 'http://b', 'http://c'])
  t.same(urls(upstream), ['http://b', 'http://c'])
  await say(['http://b'])
  await say(['http://a', 'http://b'])
  t.same(urls(upstream), ['http://b', 'http://a'])
})

t.test('the endpoints of the options stay, also when the source names them and ceases to', async t => {
  const { source, say } = spoken()
  const said = say([{ url: 'http://fixed/', weight: 9 }, 'http://a'])
  const { upstream } = await discovered(t, source, { endpoints: ['http://fixed'] })
  await said
  const [fixed] = upstream.endpoints
  t.same(urls(upstream), ['http://fixed', 'http://a'])
  t.equal(fixed?.weight, 1)
  await say(['http://b'])
  t.same(urls(upstream), ['http://fixed', 'http://b'])
  t.equal(upstream.find('http://fixed'), fixed)
})

t.test('a request under way ends well when its endpoint leaves', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const leaving = await origin(t, (_request, response) => void arrived.emit('request', response))
  const staying = await origin(t, (_request, response) => response.end('staying'))
  const { source, say } = spoken()
  const said = say([leaving])
  const { upstream, port } = await discovered(t, source)
  await said
  const [endpoint] = upstream.endpoints
  const waiting = once(arrived, 'request')
  const answer = ask(port, '/')
  const [held] = (await waiting) as [ServerResponse]
  held.write('be')
  await say([staying])
  t.equal(endpoint?.removed, true)
  t.equal(endpoint?.pending, 1)
  t.equal((await ask(port, '/')).text, 'staying')
  held.end('gun')
  t.match(await answer, { status: 200, text: 'begun' })
})

t.test('a failing source keeps the last list, says so once, and says when it is back', async t => {
  const log = lines()
  const { source, say } = spoken()
  const said = say(['http://a'])
  const { upstream } = await discovered(t, source, { log })
  await said
  await say(new Error('out of order'))
  await say(new Error('out of order'))
  t.same(urls(upstream), ['http://a'])
  const told = (level: number) =>
    log.all.filter(line => line.level === level && String(line.msg).startsWith('discovery'))
  t.match(told(40), [
    { msg: 'discovery: the source failed; the last good list stays', reason: 'out of order', endpoints: 1 }
  ])
  t.equal(told(40).length, 1)
  await say(['http://a'])
  t.match(told(30).at(-1), { msg: 'discovery: the source is back', endpoints: 1 })
  await say(new Error('again'))
  t.equal(told(40).length, 2)
})

t.test('a list with a bad entry is refused whole, and the log names the entry', async t => {
  const log = lines()
  const { source, say } = spoken()
  const said = say(['http://a', 'http://b'])
  const { upstream } = await discovered(t, source, { log, options: { limit: 2 } })
  await said
  await say(['http://c', 'nonsense'])
  t.same(urls(upstream), ['http://a', 'http://b'])
  t.match(log.all.at(-1), { level: 40, reason: /^entry 2: the endpoint "nonsense" is not an address/ })
  await say(['http://c', 'http://d', 'http://e'])
  t.same(urls(upstream), ['http://a', 'http://b'])
  t.match(log.all.at(-1), { reason: 'there are 3 endpoints, more than the limit of 2' })
})

t.test('an empty list changes nothing unless it is accepted', async t => {
  for (const [empty, left] of [
    ['keep', ['http://a']],
    ['accept', []]
  ] as const) {
    const log = lines()
    const { source, say } = spoken()
    const said = say(['http://a'])
    const { upstream, port } = await discovered(t, source, { log, options: { empty } })
    await said
    await say([])
    t.same(urls(upstream), left)
    t.equal(
      log.all.some(({ level, reason }) => level === 40 && reason === 'the list is empty'),
      empty === 'keep'
    )
    if (empty === 'accept') t.equal((await ask(port, '/')).status, 503)
  }
})

t.test('a function is asked again after the interval', async t => {
  const answers = [['http://a'], ['http://a', 'http://b']]
  const { upstream } = await discovered(t, async () => answers.shift() ?? ['http://c'], { options: fast })
  if (upstream.find('http://c') === undefined) {
    for await (const [{ url }] of EventEmitter.on(upstream, 'add')) if (url === 'http://c') break
  }
  t.ok(upstream.find('http://c'))
})

t.test('an iterator that throws is asked for another one, until it brings a list', async t => {
  let failures = 0
  const source: Source = async function* () {
    if (failures++ < 3) throw new Error('not yet')
    yield ['http://a']
  }
  const { upstream } = await discovered(t, source, { options: fast })
  t.equal(failures, 4)
  t.same(urls(upstream), ['http://a'])
})

t.test('the last list of an iterator that ends stays for good', async t => {
  const log = lines()
  let asked = 0
  const source: Source = async function* () {
    asked++
    yield ['http://a']
  }
  const { upstream } = await discovered(t, source, { log, options: fast })
  t.same(urls(upstream), ['http://a'])
  t.match(log.all.filter(({ msg }) => msg === 'discovery: the source ended; its last list stays').length, 1)
  t.equal(asked, 1)
})

t.test('what is thrown at once, or is no list, keeps no gateway from its requests', async t => {
  const url = await origin(t, (_request, response) => response.end('fixed'))
  const sources: unknown[] = [
    () => {
      throw new Error('at once')
    },
    () => undefined,
    async () => 'http://a',
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('no')) }) }),
    async function* () {}
  ]
  for (const source of sources) {
    const log = lines()
    const options = { ...fast, timeout: 20 }
    const { port } = await discovered(t, source as Source, { log, endpoints: [url], options })
    t.equal((await ask(port, '/')).text, 'fixed')
    t.match(
      log.all.filter(({ level }) => level === 40),
      [{ reason: /./, msg: 'discovery: the source failed; there is no list yet' }]
    )
  }
})

t.test('without a list in time and without other endpoints the boot fails, with the reason', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  const registry: Source = async () => {
    throw new Error('out of order')
  }
  app.register(discovery, { source: registry, timeout: 20, ...fast })
  t.match(await bootError(app), {
    message:
      'discovery: function registry has brought no endpoints within 20 ms: out of order; required: false starts without'
  })
  await app.close()
})

t.test('a gateway that may start without endpoints answers 503 until they come', async t => {
  const url = await origin(t, (_request, response) => response.end('late'))
  const { source, say } = spoken()
  const { port } = await discovered(t, source, { options: { required: false, timeout: 1 } })
  t.match(await ask(port, '/'), { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } })
  await say([url])
  t.equal((await ask(port, '/')).text, 'late')
})

t.test('closing the app tells the source, and waits for none that does not listen', async t => {
  const seen: AbortSignal[] = []
  const returned: string[] = []
  const source: Source = signal => {
    seen.push(signal)
    const results = [{ done: false, value: ['http://a'] }]
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => (results.length > 0 ? Promise.resolve(results.shift()) : new Promise(() => {})) as never,
        return: () => {
          returned.push('returned')
          return new Promise(() => {})
        }
      })
    }
  }
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  app.register(discovery, { source })
  await app.ready()
  await app.close()
  t.equal(seen[0]?.aborted, true)
  t.same(returned, ['returned'])
})

t.test('10,000 endpoints come and stay at a bounded cost', async t => {
  const many = Array.from({ length: 10_000 }, (_, index) => `http://10.0.${index >> 8}.${index & 255}:80${index % 10}0`)
  const { source, say } = spoken()
  const said = say(many)
  const { upstream } = await discovered(t, source)
  await said
  t.equal(upstream.endpoints.length, 10_000)
  const began = process.cpuUsage()
  await say([...many].reverse())
  const { user, system } = process.cpuUsage(began)
  t.comment(`the same 10,000 once more: ${((user + system) / 1_000).toFixed(1)} ms CPU`)
  t.ok(user + system < 1_000_000)
})

const required = 'a function'
const mistakes: [options: object, message: string][] = [
  [{}, `discovery: option source is missing: ${required}`],
  [{ source: 'dns' }, 'discovery: option source is "dns", but must be a function'],
  [{ source: () => [], empty: 'no' }, 'discovery: option empty is no, but must be "keep" or "accept"'],
  [{ source: () => [], timeout: 0 }, 'discovery: option timeout is 0, but must be a whole number'],
  [
    { source: () => [], timeout: 10_000 },
    'discovery: option timeout is 10000, but must be less than the pluginTimeout of the gateway, 10000'
  ]
]
for (const [options, message] of mistakes) {
  t.test(`the boot fails: ${message}`, async t => {
    const app = gateway()
    app.register(upstream, { endpoints: [] })
    app.register(discovery, options as never)
    const error = await bootError(app)
    t.ok(error instanceof OptionsError)
    t.match(error?.message.replaceAll('"no"', 'no'), message)
    await app.close()
  })
}

t.test('an upstream has one source', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  app.register(discovery, { source: () => ['http://a'] })
  app.register(discovery, { source: () => ['http://b'] })
  t.match(await bootError(app), {
    message: 'discovery: the upstream has a source already (a function); one function can join the lists of two'
  })
  await app.close()
})

t.test('discovery needs an upstream', async t => {
  const app = gateway()
  app.register(discovery, { source: () => [] })
  t.match(await bootError(app), { message: /upstream/ })
})
