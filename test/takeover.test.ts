import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { handleOf } from '../src/sockets.js'
import { ask, Headgate } from './workers/processes.js'

const first = "export default app => app.get('/', async () => `first ${process.pid}`)"
const second = "export default app => app.get('/', async () => `second ${process.pid}`)"

for (const workers of [1, 2]) {
  const many = workers === 1 ? 'one process' : `${workers} workers`

  t.test(`${many}: a new process takes over, and the old one ends`, async t => {
    const file = join(t.testdir({ 'app.mjs': first }), 'app.mjs')
    const headgate = new Headgate(t, [file], { WORKERS: String(workers) })
    const url = await headgate.url(workers)
    t.match(await ask(url), /^first /)
    writeFileSync(file, second)
    headgate.signal('SIGUSR2')
    const { successor } = await headgate.says(/^a new process serves/)
    t.teardown(() => kill(successor as number))
    t.equal((await once(headgate.process, 'exit'))[0], 0)
    t.match(await ask(url), /^second /)

    writeFileSync(file, 'export default app => app.nope()')
    process.kill(successor as number, 'SIGUSR2')
    await headgate.says(/^upgrade failed, this process goes on/)
    t.match(await ask(url), /^second /)

    process.kill(successor as number, 'SIGTERM')
    t.match((await headgate.ended).stderr, /app\.nope is not a function\n$/)
    await t.rejects(ask(url))
  })

  t.test(`${many}: a socket of systemd is listened on`, async t => {
    const file = join(t.testdir({ 'app.mjs': first }), 'app.mjs')
    const socket = createServer().listen(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address() as { port: number }
    const { fd } = handleOf(socket) as { fd: number }
    const env = { WORKERS: String(workers), LISTEN_FDS: '1' }
    const headgate = new Headgate(t, [file], env, [fd])
    await headgate.url(workers)
    socket.close()
    t.match(await ask(`http://127.0.0.1:${port}`), /^first /)
    headgate.signal('SIGTERM')
    t.match(await headgate.ended, { code: 0 })
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
