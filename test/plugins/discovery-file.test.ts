import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import discovery, { type FileOptions, file } from '../../plugins/discovery/index.js'
import { upstream } from '../../plugins/index.js'
import { gateway, OptionsError } from '../../src/index.js'
import { bootError, lines } from '../ask.js'
import { listen } from '../helper.js'
import { added, failure, urls } from './discovery-world.js'

/** An interval that never comes: what is seen, the watch has seen. */
const watched = { interval: 3_600_000, settle: 5 }
const polled = { interval: 10, settle: 5 }

async function discovered(t: Test, path: string, options: Partial<FileOptions> = watched, log = lines()) {
  const app = gateway({ logger: { stream: log, level: 'debug' } })
  app.register(upstream, { endpoints: [] })
  app.register(discovery, { source: file({ path, ...options }), timeout: 1_000 })
  await listen(t, app)
  return { app, upstream: app.upstream, log }
}

const yaml = (...names: string[]) => names.map(name => `- http://${name}\n`).join('')

t.test('YAML and JSON say the same', async t => {
  const directory = t.testdir({
    'a.yaml': '# ours\n- http://a\n- url: http://b:3000\n  weight: 2\n  labels: { version: canary }\n',
    'a.yml': '[http://a, { url: http://b:3000, weight: 2, labels: { version: canary } }]',
    'a.json': '["http://a", { "url": "http://b:3000", "weight": 2, "labels": { "version": "canary" } }]'
  })
  for (const name of ['a.yaml', 'a.yml', 'a.json']) {
    const { upstream } = await discovered(t, join(directory, name))
    t.match(upstream.endpoints, [
      { url: 'http://a', weight: 1 },
      { url: 'http://b:3000', weight: 2, labels: { version: 'canary' } }
    ])
    t.equal(upstream.source, `file ${join(directory, name)}`)
  }
})

t.test('a file written in place is read again', async t => {
  const path = join(t.testdir({ 'e.yaml': yaml('a') }), 'e.yaml')
  const { upstream } = await discovered(t, path)
  const [kept] = upstream.endpoints
  const event = added(upstream)
  writeFileSync(path, yaml('a', 'b'))
  t.equal(await event, 'http://b')
  t.equal(upstream.endpoints[0], kept)
})

t.test('a file replaced by a rename is read again, more than once', async t => {
  const directory = t.testdir({ 'e.yaml': yaml('a') })
  const path = join(directory, 'e.yaml')
  const { upstream } = await discovered(t, path)
  for (const name of ['b', 'c', 'd']) {
    const event = added(upstream)
    writeFileSync(join(directory, 'new'), yaml(name))
    renameSync(join(directory, 'new'), path)
    t.equal(await event, `http://${name}`)
    t.same(urls(upstream), [`http://${name}`])
  }
})

t.test('a ConfigMap of Kubernetes is read again when its symbolic link is turned', async t => {
  const directory = t.testdir({ '..1': { 'e.yaml': yaml('a') }, '..2': { 'e.yaml': yaml('b') } })
  symlinkSync('..1', join(directory, '..data'))
  symlinkSync('..data/e.yaml', join(directory, 'e.yaml'))
  const { upstream } = await discovered(t, join(directory, 'e.yaml'))
  t.same(urls(upstream), ['http://a'])
  const event = added(upstream)
  symlinkSync('..2', join(directory, '..data_tmp'))
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
  rmSync(join(directory, '..1'), { recursive: true })
  t.equal(await event, 'http://b')
})

t.test('a half-written file keeps the last list until it is whole', async t => {
  const path = join(t.testdir({ 'e.json': '["http://a", "http://b"]' }), 'e.json')
  const { upstream, log } = await discovered(t, path)
  const reason = failure(log)
  truncateSync(path, 13)
  t.match(await reason, /JSON/)
  t.same(urls(upstream), ['http://a', 'http://b'])
  const event = added(upstream)
  writeFileSync(path, '["http://a", "http://c"]')
  t.equal(await event, 'http://c')
  t.same(urls(upstream), ['http://a', 'http://c'])
})

t.test('a file that is as it was after a failure is good again', async t => {
  const path = join(t.testdir({ 'e.yaml': yaml('a') }), 'e.yaml')
  const { log } = await discovered(t, path)
  const reason = failure(log)
  unlinkSync(path)
  t.match(await reason, /ENOENT/)
  const back = new Promise<void>(resolve => {
    log.write = line => {
      if (JSON.parse(line).msg === 'discovery: the source is back') resolve()
    }
  })
  writeFileSync(path, yaml('a'))
  await back
  t.pass()
})

for (const [what, text, message] of [
  ['is empty', '', /the file is empty/],
  ['is no YAML', '- "http://a', /quote/],
  ['is no list', 'a: 1', /is no list of endpoints/],
  ['has a bad entry', yaml('a') + '- nonsense', /^entry 2: the endpoint "nonsense"/],
  ['is too large', yaml(...Array(100).fill('a')), /has more than 200 bytes/],
  ['is no UTF-8', Buffer.from([0x2d, 0x20, 0xff]), /encoded data was not valid/],
  [
    'has a billion laughs',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghij'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`)}]\n`).join('')}`,
    /bytes|alias/i
  ]
] as const) {
  t.test(`a file that ${what} keeps the last list`, async t => {
    const path = join(t.testdir({ 'e.yaml': yaml('a') }), 'e.yaml')
    const { upstream, log } = await discovered(t, path, { ...watched, limit: what.includes('laughs') ? 10_000 : 200 })
    const reason = failure(log)
    writeFileSync(path, text)
    t.match(await reason, message)
    t.same(urls(upstream), ['http://a'])
  })
}

t.test('what the watch does not see, the interval does: a link to another directory, a new directory', async t => {
  const directory = t.testdir({ far: { 'e.yaml': yaml('a') }, near: {} })
  const path = join(directory, 'near', 'e.yaml')
  symlinkSync('../far/e.yaml', path)
  const { upstream } = await discovered(t, path, polled)
  let event = added(upstream)
  writeFileSync(join(directory, 'far', 'e.yaml'), yaml('b'))
  t.equal(await event, 'http://b')
  event = added(upstream)
  rmSync(join(directory, 'near'), { recursive: true })
  mkdirSync(join(directory, 'near'))
  writeFileSync(path, yaml('c'))
  t.equal(await event, 'http://c')
})

t.test('a directory that takes the place of the watched one is watched', async t => {
  const directory = t.testdir({ near: { 'e.yaml': yaml('a') }, next: { 'e.yaml': yaml('b') } })
  const path = join(directory, 'near', 'e.yaml')
  const { upstream } = await discovered(t, path, { ...watched, interval: 20 })
  let event = added(upstream)
  renameSync(join(directory, 'near'), join(directory, 'old'))
  renameSync(join(directory, 'next'), join(directory, 'near'))
  t.equal(await event, 'http://b')
  event = added(upstream)
  writeFileSync(path, yaml('c'))
  t.equal(await event, 'http://c')
})

t.test('a directory that is not there yet is waited for', async t => {
  const directory = t.testdir({})
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  app.register(discovery, {
    source: file({ path: join(directory, 'later', 'e.json'), ...polled }),
    required: false,
    timeout: 1
  })
  await listen(t, app)
  const event = added(app.upstream)
  mkdirSync(join(directory, 'later'))
  writeFileSync(join(directory, 'later', 'e.json'), '["http://a"]')
  t.equal(await event, 'http://a')
})

t.test('the boot without the file fails and names it', async t => {
  const path = join(t.testdir({}), 'e.yaml')
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  app.register(discovery, { source: file({ path }), timeout: 20 })
  t.match(await bootError(app), { message: `ENOENT: no such file or directory, stat '${path}'` })
  await app.close()
})

t.test('a file of another kind is refused', async t => {
  t.throws(() => file({ path: 'endpoints.toml' }), {
    message: 'discovery: file: option path is "endpoints.toml", but must be a path that ends in .json, .yaml or .yml'
  })
  t.throws(() => file({} as never), OptionsError)
})

t.test('closing the app leaves no watch behind', async t => {
  const path = join(t.testdir({ 'e.yaml': yaml('a') }), 'e.yaml')
  const watches = () => process.getActiveResourcesInfo().filter(name => name.startsWith('FSEvent')).length
  const { app } = await discovered(t, path)
  const before = watches()
  await app.close()
  await new Promise(setImmediate)
  t.equal(watches(), Math.max(0, before - 1))
})
