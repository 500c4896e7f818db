import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ask, counter, Headgate, pids } from './processes.js'

const app = `
  export default app => {
    app.get('/pid', async () => process.pid)
    app.get('/leader', async () => app.workers.leader)
    app.get('/stuck', () => { for (;;); })
    app.get('/memory', async () => { globalThis.held = Buffer.alloc(200 * 2 ** 20, 1); return 'held' })
    app.get('/lease', async () => app.workers.lease('one', 60_000))
    app.get('/count', async () => app.workers.ask(new URL('${counter}'), 'add', 1))
    app.get('/broken', async () => app.workers.ask(new URL('${counter}'), 'fail').catch(error => error.message))
    app.get('/gather', async () => app.workers.gather('pid'))
    app.get('/tell', async () => { app.workers.broadcast('told', 'news'); return 'told' })
    app.get('/told', async () => app.workers.gather('told'))
    const told = []
    app.workers.subscribe('told', message => told.push(message))
    app.workers.answer('told', () => told.join())
    app.workers.answer('pid', () => process.pid)
    app.workers.lead(() => {
      app.log.info('it leads')
      return () => app.log.info('it leads no longer')
    })
  }`

t.test('workers answer over one port, and know of each other', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  const url = await headgate.url()
  const workers = await pids(`${url}/pid`, 2)
  t.notOk(workers.has(headgate.process.pid as number), 'the primary serves nobody')

  t.same(new Set(JSON.parse(await ask(`${url}/gather`))), workers)
  t.equal(await ask(`${url}/tell`), 'told')
  t.equal(await ask(`${url}/told`), '["news","news"]')
  for (let count = 1; count <= 4; count++) t.equal(await ask(`${url}/count`), String(count), 'one counter for all')
  t.equal(await ask(`${url}/broken`), 'it failed')

  const leases = new Set<string>()
  const leaders = new Set<string>()
  while (leases.size < 2) leases.add(await ask(`${url}/lease`))
  while (leaders.size < 2) leaders.add(await ask(`${url}/leader`))
  t.same(leases, new Set(['true', 'false']))
  t.same(leaders, new Set(['true', 'false']))

  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0, stderr: '' })
})

t.test('a worker that is killed is replaced, and another one leads', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  const url = await headgate.url()
  let leader = 0
  while ((await ask(`${url}/leader`)) !== 'true') leader = 0
  const before = await pids(`${url}/pid`, 2)
  // The one that took the lease ends with it.
  for (const pid of before) leader = pid
  process.kill(leader, 'SIGKILL')
  t.match(await headgate.says(/^a worker ended with SIGKILL: another takes its place$/), { worker: leader, level: 50 })
  await headgate.says(/^Server listening/)
  const after = await pids(`${url}/pid`, 2)
  t.notOk(after.has(leader))
  const leaders = new Set<string>()
  while (leaders.size < 2) leaders.add(await ask(`${url}/leader`))
  t.equal(JSON.parse(await ask(`${url}/gather`)).length, 2)
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
})

t.test('a worker that stands still is killed and replaced', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file, '--worker-timeout', '2'])
  const url = await headgate.url()
  const lost = t.rejects(fetch(`${url}/stuck`))
  await headgate.says(/^a worker has stood still for 2 s and is killed$/)
  await lost
  await headgate.says(/^Server listening/)
  t.equal((await pids(`${url}/pid`, 2)).size, 2)
  headgate.signal('SIGTERM')
  await headgate.ended
})

t.test('a worker that takes too much memory is replaced before it ends', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file, '--worker-memory', '250'])
  const url = await headgate.url()
  t.equal(await ask(`${url}/memory`), 'held')
  t.match(await headgate.says(/^a worker takes too much memory/), { level: 40 })
  await headgate.says(/^Server listening/)
  t.equal((await pids(`${url}/pid`, 2)).size, 2)
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
})

t.test('a mistake in the app file is told once, and ends it with 1', async t => {
  const file = join(t.testdir({ 'app.mjs': 'export default app => app.nope()' }), 'app.mjs')
  const { code, stderr } = await new Headgate(t, [file]).ended
  t.equal(code, 1)
  t.match(stderr, /^headgate: .*app\.mjs:1: app\.nope is not a function\n$/)
})

t.test('a reload puts new workers in the place of all, with the app file as it is now', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  const url = await headgate.url()
  const before = await pids(`${url}/pid`, 2)
  writeFileSync(file, "export default app => app.get('/pid', async () => `new ${process.pid}`)")
  headgate.signal('SIGHUP')
  await headgate.says(/^reloaded$/)
  t.match(await ask(`${url}/pid`), /^new \d+$/)

  writeFileSync(file, 'export default app => app.nope()')
  headgate.signal('SIGHUP')
  t.match(await headgate.says(/^reload failed, what served before goes on: a new worker ended with code 1$/), {
    level: 50
  })
  const left = new Set<string>()
  while (left.size < 2) left.add(await ask(`${url}/pid`))
  for (const pid of before) t.notOk(left.has(`new ${pid}`))
  headgate.signal('SIGTERM')
  const { code, stderr } = await headgate.ended
  t.equal(code, 0)
  t.match(stderr, /^headgate: .*app\.mjs:1: app\.nope is not a function\n$/, 'the worker says why')
})

t.test('workers end when the primary is killed, and finish what is under way', async t => {
  const slow = `
    let release
    export default app => {
      app.get('/held', () => new Promise(resolve => { release = resolve; app.log.info('held') }))
      process.on('disconnect', () => setImmediate(() => release?.('answered')))
    }`
  const file = join(t.testdir({ 'app.mjs': slow }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  const url = await headgate.url()
  const answer = ask(`${url}/held`)
  await headgate.says(/^held$/)
  headgate.signal('SIGKILL')
  t.equal(await answer, 'answered')
  await headgate.ended
})

t.test('a signal while workers start ends them all', async t => {
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  await headgate.url(1)
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
})
