import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { handleOf } from '../../src/sockets.js'
import { Headgate, plugins } from '../workers/processes.js'

/** With a path that is short enough for socket files. */
function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'gtw-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

function appOf(word: string, options: object): string {
  return `
    import { listeners } from '${plugins}'
    export default app => {
      app.register(listeners, ${JSON.stringify(options)})
      app.get('/', async () => '${word} ' + process.pid)
    }`
}

/** @param to a port, or the path of a socket file */
async function ask(to: number | string): Promise<string> {
  const where = typeof to === 'number' ? { host: '127.0.0.1', port: to } : { socketPath: to }
  const asked = request({ ...where, agent: false } as object)
  asked.end()
  const [response] = await once(asked, 'response')
  return text(response)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

for (const workers of [1, 2]) {
  const many = workers === 1 ? 'one process' : `${workers} workers`

  t.test(`${many}: listeners outlast reloads and upgrades, and end with the last one`, async t => {
    const directory = folder(t)
    const file = join(directory, 'app.mjs')
    const path = join(directory, 's.sock')
    const port = await freePort()
    const options = { http: { port }, file: { path } }
    writeFileSync(file, appOf('first', options))
    const headgate = new Headgate(t, [file], { WORKERS: String(workers) })
    await headgate.url(workers)
    for (const to of [port, path]) t.match(await ask(to), /^first /)

    // One that does not come up: what was there goes on.
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    writeFileSync(file, appOf('bad', { ...options, other: { port: (taken.address() as AddressInfo).port } }))
    headgate.signal('SIGHUP')
    await headgate.says(/^reload failed/)
    for (const to of [port, path]) t.match(await ask(to), /^first /, 'after a reload that failed')
    taken.close()

    writeFileSync(file, appOf('second', options))
    headgate.signal('SIGHUP')
    await headgate.says(/^reloaded/)
    for (const to of [port, path]) t.match(await ask(to), /^second /, 'reloaded')

    let last = headgate.process.pid as number
    for (const word of ['third', 'fourth']) {
      writeFileSync(file, appOf(word, options))
      process.kill(last, 'SIGUSR2')
      const { successor } = await headgate.says(/^a new process serves/)
      t.teardown(() => kill(successor as number))
      // Until the one before has gone.
      for (;;) {
        try {
          process.kill(last, 0)
          await new Promise(resolve => setTimeout(resolve, 10))
        } catch {
          break
        }
      }
      last = successor as number
      for (const to of [port, path]) t.match(await ask(to), new RegExp(`^${word} `))
    }

    process.kill(last, 'SIGTERM')
    await headgate.ended
    t.notOk(existsSync(path))
    t.same(readdirSync(directory), ['app.mjs'])
    await t.rejects(ask(port))
  })

  t.test(`${many}: systemd names the sockets of listeners`, async t => {
    const directory = folder(t)
    const file = join(directory, 'app.mjs')
    writeFileSync(file, appOf('named', { http: { port: 1 } }))
    const sockets = [createServer().listen(0, '127.0.0.1'), createServer().listen(0, '127.0.0.1')]
    await Promise.all(sockets.map(socket => once(socket, 'listening')))
    const [http, own] = sockets.map(socket => (socket.address() as AddressInfo).port) as [number, number]
    const descriptors = sockets.map(socket => (handleOf(socket) as { fd: number }).fd)
    const env = { WORKERS: String(workers), LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:headgate.socket' }
    const headgate = new Headgate(t, [file], env, descriptors)
    const url = await headgate.url(workers)
    for (const socket of sockets) socket.close()
    t.equal(url, `http://127.0.0.1:${own}`)
    for (const to of [http, own]) t.match(await ask(to), /^named /)
    headgate.signal('SIGTERM')
    t.match(await headgate.ended, { code: 0 })
  })
}

t.test('a worker that is killed leaves the socket file to the others', async t => {
  const directory = folder(t)
  const file = join(directory, 'app.mjs')
  const path = join(directory, 's.sock')
  writeFileSync(file, appOf('still', { file: { path } }))
  const headgate = new Headgate(t, [file])
  await headgate.url()
  process.kill(Number((await ask(path)).split(' ')[1]), 'SIGKILL')
  await headgate.says(/^Server listening/)
  t.match(await ask(path), /^still /)
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
  t.notOk(existsSync(path))
})
