import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { proxy, proxyProtocol, upstream } from '../../plugins/index.js'
import { freePort, startNginx } from '../../scripts/bench/native.js'
import { spawnChild } from '../../scripts/child.js'
import { gateway } from '../../src/index.js'

const run = promisify(execFile)
const missing = async (program: string) =>
  run(program, ['-v']).then(
    () => false as const,
    () => `${program} is not installed`
  )
const [noHaproxy, noNginx] = await Promise.all([missing('haproxy'), missing('nginx')])
const stream = '/usr/lib/nginx/modules/ngx_stream_module.so'

function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'gtw-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

async function startHaproxy(t: Test, port: number, configuration: string): Promise<void> {
  const file = join(folder(t), 'haproxy.cfg')
  const defaults = 'global\n  nbthread 1\ndefaults\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n'
  writeFileSync(file, defaults + configuration)
  const child = await spawnChild('haproxy', ['-db', '-f', file], port)
  t.teardown(() => child.stop())
}

/** A gateway that answers with the ends of the connection, and what was told of it. */
async function reading(t: Test): Promise<number> {
  const app = gateway({ timeouts: { close: 1_000 } })
  app.register(proxyProtocol, { from: ['127.0.0.1'] })
  app.get('/', async ({ socket, proxyProtocol }) => {
    const { authority = '', uniqueId = '' } = proxyProtocol ?? {}
    return `from ${socket.remotePort} to ${socket.localPort}. ${authority} ${uniqueId}`
  })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** A gateway in front of this port that announces its clients. */
async function announcing(t: Test, origin: number, version: 1 | 2): Promise<number> {
  const app = gateway({ timeouts: { close: 1_000 } })
  app.register(upstream, { endpoints: [`http://127.0.0.1:${origin}`], proxyProtocol: version })
  app.register(proxy)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** Asks, and checks that the connection which was told of is this one. */
async function check(t: Test, port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', part => {
    answer += part
  })
  await once(socket, 'connect')
  const { localPort } = socket
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  t.match(answer, `from ${localPort} to ${port}.`)
  return answer
}

t.test('HAProxy announces, and is understood', { skip: noHaproxy }, async t => {
  const behind = await reading(t)
  for (const option of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id']) {
    const port = await freePort()
    await startHaproxy(
      t,
      port,
      `listen balancer\n  mode tcp\n  bind 127.0.0.1:${port}\n  unique-id-format id-%pid\n  server gateway 127.0.0.1:${behind} ${option}\n`
    )
    const answer = await check(t, port)
    if (option.includes('unique-id')) t.match(answer, / id-\d/)
  }
})

t.test('HAProxy is told, and understands', { skip: noHaproxy }, async t => {
  const behind = await freePort()
  await startHaproxy(
    t,
    behind,
    `frontend origin\n  mode http\n  bind 127.0.0.1:${behind} accept-proxy\n  http-request return status 200 content-type text/plain lf-string "from %[src_port] to %[dst_port]."\n`
  )
  for (const version of [1, 2] as const) await check(t, await announcing(t, behind, version))
})

t.test('nginx is told, and understands', { skip: noNginx }, async t => {
  const behind = await freePort()
  const nginx = await startNginx(
    folder(t),
    behind,
    `server {
    listen 127.0.0.1:${behind} proxy_protocol;
    location / { return 200 "from $proxy_protocol_port to $proxy_protocol_server_port."; }
  }`
  )
  t.teardown(() => nginx.stop())
  for (const version of [1, 2] as const) await check(t, await announcing(t, behind, version))
})

t.test('nginx announces, and is understood', { skip: noNginx || !existsSync(stream) }, async t => {
  const behind = await reading(t)
  const port = await freePort()
  const directory = folder(t)
  const file = join(directory, 'nginx.conf')
  writeFileSync(
    file,
    `load_module ${stream};
daemon off;
pid ${join(directory, 'nginx.pid')};
error_log stderr crit;
events {}
stream { server { listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${behind}; proxy_protocol on; } }
`
  )
  const nginx = await spawnChild('nginx', ['-p', directory, '-c', file, '-e', 'stderr'], port)
  t.teardown(() => nginx.stop())
  await check(t, port)
})
