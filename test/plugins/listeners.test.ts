import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import listeners from '../../plugins/listeners/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { bootError } from '../ask.js'
import { cert, key } from '../transport/certificate.js'

type Options = Parameters<typeof listeners>[1]

/** Its path is short enough for socket files. */
function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'gtw-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** A gateway that answers how it was reached. */
function make(options: Options, given: GatewayOptions = {}) {
  const app = gateway(given)
  app.register(listeners, options)
  app.get('/', async ({ raw, protocol }) => `${protocol} ${raw.socket.remoteAddress ?? 'nobody'}`)
  return app
}

async function start(t: Test, options: Options, secure = false) {
  const app = make(options)
  if (secure) app.secure({ cert, key })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

/** @param where `http://…`, `https://…` or `unix:/path` */
async function ask(where: string): Promise<string> {
  const make = where.startsWith('https:') ? secureRequest : request
  const to = where.startsWith('unix:') ? { socketPath: where.slice(5) } : urlParts(where)
  const asked = make({ ...to, agent: false, ca: cert } as object)
  asked.end()
  const [response] = await once(asked, 'response')
  return text(response)
}

function urlParts(where: string) {
  const { hostname, port } = new URL(where)
  return { host: hostname, port }
}

const at = (app: { listeners: ReadonlyMap<string, string> }, name: string) => app.listeners.get(name) as string

t.test('one gateway answers over http, https and a socket file at once', async t => {
  const path = join(folder(t), 'gateway.sock')
  const app = await start(
    t,
    { http: { port: 0, tls: false }, https: { port: 0 }, file: { path, mode: 0o660, tls: false } },
    true
  )
  const [address] = app.addresses() as AddressInfo[]
  t.equal(await ask(`https://127.0.0.1:${address?.port}`), 'https 127.0.0.1')
  t.match(at(app, 'http'), /^http:/)
  t.match(at(app, 'https'), /^https:/)
  t.equal(at(app, 'file'), `unix:${path}`)
  t.equal(await ask(at(app, 'http')), 'http 127.0.0.1')
  t.equal(await ask(at(app, 'https')), 'https 127.0.0.1')
  t.equal(await ask(at(app, 'file')), 'http nobody')
  t.equal(statSync(path).mode & 0o777, 0o660)
  t.same(readdirSync(join(path, '..')), ['gateway.sock'], 'nothing else is left beside it')
  await app.close()
  t.notOk(existsSync(path), 'it is removed at the end')
  t.equal(app.listeners.size, 0)
})

t.test('connections of all listeners are those of the gateway', async t => {
  const app = await start(t, { http: { port: 0 } })
  const seen: unknown[] = []
  app.server.on('connection', socket => seen.push(socket))
  await ask(at(app, 'http'))
  t.equal(seen.length, 1)
})

t.test('a gateway that closes waits for whom a listener has accepted, and cuts nobody', async t => {
  const app = make({ http: { port: 0 } })
  let answer = () => {}
  const arrived = new Promise<void>(resolve => {
    app.get('/slow', async () => {
      resolve()
      await new Promise<void>(done => {
        answer = done
      })
      return 'done'
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { host, port } = urlParts(at(app, 'http'))
  const idle = connect(Number(port), host)
  await once(idle, 'connect')
  const asked = request({ host, port, path: '/slow' })
  asked.end()
  const answered = once(asked, 'response')
  await arrived
  let closed = false
  const closing = app.close().then(() => {
    closed = true
  })
  const refused = connect(Number(port), host)
  t.equal((await once(refused, 'error'))[0].code, 'ECONNREFUSED')
  // An idle one is closed within two seconds, by the gateway's own rule.
  idle.resume()
  await once(idle, 'close')
  t.notOk(closed)
  answer()
  t.equal(await text((await answered)[0]), 'done')
  await closing
})

t.test('one connection more than a listener may have is closed', async t => {
  const app = await start(t, { http: { port: 0, connections: 1 } })
  const { host, port } = urlParts(at(app, 'http'))
  const first = connect(Number(port), host)
  t.teardown(() => first.destroy())
  first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(first, 'data')
  const second = connect(Number(port), host).on('error', () => {})
  let answer = ''
  second.setEncoding('latin1').on('data', part => {
    answer += part
  })
  second.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(second, 'close')
  t.equal(answer, '')
  first.destroy()
  while (!(await ask(at(app, 'http')).catch(() => ''))) await new Promise(setImmediate)
})

t.test('a socket file of a process that died is replaced, one of a living process is an error', async t => {
  const path = join(folder(t), 's.sock')
  const dead = createServer().listen(`${path}.new`)
  await once(dead, 'listening')
  // So that its end leaves the file behind.
  renameSync(`${path}.new`, path)
  const live = make({ file: { path } })
  await t.rejects(live.listen({ port: 0 }), {
    code: 'GTW_ERR_OPTIONS',
    message: `listeners: option file.path is ${path}, which is in use; choose another one, or stop what listens there`
  })
  await live.close()
  t.ok(existsSync(path))
  t.same(readdirSync(join(path, '..')), ['s.sock'])
  await new Promise(resolve => dead.close(resolve))
  const app = await start(t, { file: { path } })
  t.equal(await ask(at(app, 'file')), 'http nobody')
})

t.test('what cannot be listened on is told by option, value and way out', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const directory = folder(t)
  writeFileSync(join(directory, 'file'), 'text')
  const wrong: [Options, string][] = [
    [
      { http: { port } },
      `http.port is ${port} of 127.0.0.1, which is in use; choose another one, or stop what listens there`
    ],
    [
      { http: { port: 0, host: '192.0.2.1' } },
      'http.host is 192.0.2.1, which is not an address of this machine; give one that is, or 0.0.0.0 for all'
    ],
    [
      { a: { path: join(directory, 'no', 's') } },
      `a.path is ${join(directory, 'no', 's')}, which is in a folder that does not exist; make it first`
    ],
    [
      { a: { path: join(directory, 'file') } },
      `a.path is ${join(directory, 'file')}, which is there, and is no socket; choose another one`
    ],
    [
      { a: { path: `/tmp/${'a'.repeat(200)}` } },
      `a.path is /tmp/${'a'.repeat(200)}, which is too long; a socket file may have about 90 bytes`
    ]
  ]
  for (const [options, message] of wrong) {
    const app = make(options)
    await t.rejects(app.listen({ port: 0 }), { message: `listeners: option ${message}` })
    await app.close()
  }
})

t.test('mistakes in the options stop the boot', async t => {
  const wrong: [object, string][] = [
    [
      { Http: { port: 1 } },
      'listeners: a listener is called "Http", but must have a name in lower case, of letters, digits, _ and -, that is not gateway, admin, unknown'
    ],
    [
      { admin: { port: 1 } },
      'listeners: a listener is called "admin", but must have a name in lower case, of letters, digits, _ and -, that is not gateway, admin, unknown'
    ],
    [{ http: { port: 70_000 } }, 'listeners: option http.port is 70000, but must be a whole number from 0 to 65535'],
    [
      { http: { prot: 1 } },
      'listeners: there is no option http.prot; the options of http are host, port, path, mode, tls, connections'
    ],
    [{ http: {} }, 'listeners: option http.port is missing: a whole number from 0 to 65535, or a path'],
    [{ http: { path: 'a' } }, 'listeners: option http.path is "a", but must be the path of a file, from the root'],
    [{ http: { path: '/a', port: 1 } }, 'listeners: option http.path is /a, but http.port is 1; give one of them'],
    [{ http: { port: 1, mode: 0o600 } }, 'listeners: option http.mode is 384, but only a listener with a path has one'],
    [{ http: { port: 1, tls: true } }, 'listeners: option http.tls is true, but the gateway has no certificates']
  ]
  for (const [options, message] of wrong) t.equal((await bootError(make(options as Options)))?.message, message)
  const twice = make({}).register(listeners, {})
  t.match((await bootError(twice))?.message, 'register them once')
  const within = gateway()
  within.register(async scope => {
    scope.register(listeners, {})
  })
  t.match((await bootError(within))?.message, 'root scope')
})

t.test('nothing listens where the app is only loaded', async t => {
  const path = join(folder(t), 's.sock')
  const app = make({ file: { path } })
  await app.ready()
  t.notOk(existsSync(path))
  await app.close()
})
