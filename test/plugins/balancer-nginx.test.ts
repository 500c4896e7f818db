import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ringHash, roundRobin } from '../../plugins/balancer/index.js'
import type { Policy } from '../../plugins/balancer/policy.js'
import { freePort, startNginx } from '../../scripts/bench/native.js'
import type { EndpointInput, UpstreamRequest } from '../../src/index.js'
import { ask } from '../ask.js'
import { call, upstreamOf } from './balancer/world.js'

const version = await promisify(execFile)('nginx', ['-v']).then(
  ({ stderr }) => stderr.trim(),
  () => undefined
)
const skip = version === undefined ? 'nginx is not installed: apt-get install nginx-light' : false

/** Each answers with its own url. */
async function origins(t: Test, weights: readonly number[]): Promise<EndpointInput[]> {
  return Promise.all(
    weights.map(async weight => {
      const server = createServer((_request, response) => response.end(url))
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      t.teardown(() => server.close())
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      return { url, weight }
    })
  )
}

/** A real nginx with this upstream, and what it answers to each path: the url of the origin that it chose. */
async function nginxAnswers(
  t: Test,
  rule: string,
  endpoints: readonly EndpointInput[],
  paths: readonly string[],
  mark: (index: number) => string = () => ''
): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-nginx-'))
  const port = await freePort()
  const servers = endpoints.map(({ url, weight }, index) => {
    return `server ${url.slice('http://'.length)} weight=${weight}${mark(index)};`
  })
  const nginx = await startNginx(
    directory,
    port,
    `upstream origins { ${rule} ${servers.join(' ')} }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://origins; } }`
  )
  t.teardown(async () => {
    await nginx.stop()
    rmSync(directory, { recursive: true })
  })
  const answers: string[] = []
  for (const path of paths) answers.push((await ask(port, path)).text)
  return answers
}

function ourAnswers(
  policy: Policy,
  endpoints: readonly EndpointInput[],
  requests: readonly UpstreamRequest[],
  down: (index: number) => boolean = () => false
): string[] {
  const upstream = upstreamOf(policy, endpoints)
  for (const [index, endpoint] of upstream.endpoints.entries()) if (down(index)) endpoint.block('test')
  return requests.map(request => upstream.pick(request).url)
}

const keyOf = ({ path }: UpstreamRequest) => path.split('?key=')[1]
const keys = Array.from({ length: 300 }, (_, index) => `/?key=user-${index * 37}.${'x'.repeat(index % 7)}`)
const requests = keys.map(path => call({ path }))

for (const weights of [
  [1, 1, 1],
  [5, 1, 3, 2],
  [1, 10]
]) {
  t.test(`nginx and a ring of weights ${weights} send the same keys to the same endpoints`, { skip }, async t => {
    const endpoints = await origins(t, weights)
    const answers = await nginxAnswers(t, 'hash $arg_key consistent;', endpoints, keys)
    t.equal(new Set(answers).size, weights.length, `all are asked by ${version}`)
    t.same(ourAnswers(ringHash({ key: keyOf }), endpoints, requests), answers)
  })
}

t.test('nginx and a ring agree where the keys of an endpoint that is down go', { skip }, async t => {
  const endpoints = await origins(t, [2, 1, 1, 1])
  const mark = (index: number) => (index === 1 ? ' down' : '')
  const answers = await nginxAnswers(t, 'hash $arg_key consistent;', endpoints, keys, mark)
  t.equal(new Set(answers).size, 3)
  t.same(
    ourAnswers(ringHash({ key: keyOf }), endpoints, requests, index => index === 1),
    answers
  )
})

for (const weights of [
  [1, 1, 1],
  [5, 1, 1],
  [7, 4, 2, 4, 1]
]) {
  t.test(`nginx and round robin with weights ${weights} take the same turns`, { skip }, async t => {
    const endpoints = await origins(t, weights)
    const paths = new Array<string>(60).fill('/')
    const answers = await nginxAnswers(t, '', endpoints, paths)
    t.same(
      ourAnswers(
        roundRobin(),
        endpoints,
        paths.map(path => call({ path }))
      ),
      answers
    )
  })
}
