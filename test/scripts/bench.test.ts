import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { version } from '../../scripts/bench/programs.js'
import { bare } from '../bare.js'

const bench = fileURLToPath(new URL('../../scripts/bench.js', import.meta.url))
const skip = process.platform !== 'linux' && 'the kernel tells the CPU time of another process on Linux only'

const noTls =
  skip ||
  ((version('h2load') === undefined || version('openssl') === undefined) && 'h2load and openssl are not installed')

interface Results {
  scenarios: {
    name: string
    rows: { peer: string; cpu: number; ratio: number; errors: number; requests: number }[]
    unsupported: string[]
  }[]
}

t.test('the benchmark compares headgate with bare reply-from', { skip }, async t => {
  const directory = t.testdir()
  const json = join(directory, 'results.json')
  const svg = join(directory, 'chart.svg')
  const { stdout } = await promisify(execFile)(
    ...bare([
      bench,
      '--quick',
      ...['--only', 'headgate,reply-from'],
      ...['--scenarios', 'get-100b'],
      ...['--json', json],
      ...['--svg', svg]
    ])
  )
  t.match(stdout, /^\| headgate \|.*\n\| reply-from \|.* 1\.00 \|/m)

  const { scenarios }: Results = JSON.parse(readFileSync(json, 'utf8'))
  t.strictSame(
    scenarios.map(({ name }) => name),
    ['get-100b']
  )
  const rows = scenarios[0]?.rows ?? []
  t.strictSame(
    rows.map(({ peer }) => peer),
    ['headgate', 'reply-from']
  )
  for (const { peer, cpu, ratio, errors, requests } of rows) {
    t.equal(errors, 0, `${peer} answers without errors`)
    t.ok(cpu > 0 && ratio > 0 && requests > 0, `${peer} is measured`)
  }
  t.match(readFileSync(svg, 'utf8'), /<svg.*headgate.*<\/svg>/s)
})

t.test('over TLS and HTTP/2 too, as far as a peer speaks them', { skip: noTls }, async t => {
  const json = join(t.testdir(), 'results.json')
  const { stdout } = await promisify(execFile)(
    ...bare([
      bench,
      '--quick',
      ...['--only', 'headgate,reply-from'],
      ...['--scenarios', 'https-100b,h2-100b'],
      ...['--json', json],
      ...['--svg', join(t.testdirName, 'chart.svg')]
    ])
  )
  t.match(stdout, /× nginx/)
  const { scenarios }: Results = JSON.parse(readFileSync(json, 'utf8'))
  t.strictSame(
    scenarios.map(({ name }) => name),
    ['https-100b', 'h2-100b']
  )
  for (const { name, rows, unsupported } of scenarios) {
    const names = [...rows.map(({ peer }) => peer), ...unsupported].sort()
    t.strictSame(names, ['headgate', 'reply-from'], `${name} leaves no peer out silently`)
    t.ok(rows.some(({ peer }) => peer === (name === 'h2-100b' ? 'reply-from' : 'headgate')))
    for (const { peer, cpu, errors, requests } of rows) {
      t.equal(errors, 0, `${name}: ${peer} answers without errors`)
      t.ok(cpu > 0 && requests > 0, `${name}: ${peer} is measured`)
    }
  }
})

t.test('an unknown peer or scenario is refused', { skip }, async t => {
  const run = (...args: string[]) => promisify(execFile)(...bare([bench, ...args]))
  await t.rejects(run('--only', 'nobody'), { message: /no peer named "nobody"/ })
  await t.rejects(run('--scenarios', 'nothing'), { message: /no scenario is named "nothing"/ })
})
