import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ask, Headgate, pids, plugins } from '../workers/processes.js'

t.test('an endpoint is probed once for all workers, who share what is found out', async t => {
  const probes = new EventEmitter<{ probe: [] }>()
  let well = true
  let connections = 0
  const origin = createServer((request, response) => {
    if (request.url === '/healthz') probes.emit('probe')
    response.writeHead(request.url === '/healthz' && !well ? 503 : 200).end('served')
  })
  origin.on('connection', () => connections++)
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  t.teardown(() => {
    origin.closeAllConnections()
    origin.close()
  })
  const { port } = origin.address() as AddressInfo
  const app = `
    import { health, upstream } from '${plugins}'
    export default app => {
      app.register(upstream, { endpoints: ['http://127.0.0.1:${port}'] })
      app.register(health, { path: '/healthz', interval: 20, jitter: 0, first: true })
      app.get('/pid', async () => process.pid)
      app.get('/leader', async () => app.workers.leader ? process.pid : 0)
      app.get('/states', async () => app.workers.gather('states'))
      app.workers.answer('states', () => app.upstream.endpoints[0].why)
    }`
  const file = join(t.testdir({ 'app.mjs': app }), 'app.mjs')
  const headgate = new Headgate(t, [file])
  const url = await headgate.url()
  await pids(`${url}/pid`, 2)
  const states = async () => JSON.parse(await ask(`${url}/states`)) as string[]
  const become = async (wanted: string) => {
    while (!(await states()).every(state => state === wanted)) await once(probes, 'probe')
  }
  t.same(await states(), ['', ''])
  t.equal(connections, 1, 'one worker has probed')

  well = false
  await become('health: status 503')
  t.match(await headgate.says(/^an endpoint is unhealthy$/), { reason: 'status 503' })
  t.equal(connections, 1)

  let leader = 0
  while (leader === 0) leader = Number(await ask(`${url}/leader`))
  process.kill(leader, 'SIGKILL')
  await headgate.says(/^Server listening/)
  await pids(`${url}/pid`, 2)
  t.same(await states(), ['health: status 503', 'health: status 503'], 'a new worker is told')
  well = true
  await become('')
  t.equal(connections, 2, 'another one probes')
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
})
