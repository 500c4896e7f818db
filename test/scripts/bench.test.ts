import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { bare } from '../bare.js'

const bench = fileURLToPath(new URL('../../scripts/bench.js', import.meta.url))
const skip = process.platform !== 'linux' && 'the kernel tells the CPU time of another process on Linux only'

interface Results {
  scenarios: { name: string; rows: { peer: string; cpu: number; ratio: number; errors: number; requests: number }[] }[]
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

t.test('an unknown peer or scenario is refused', { skip }, async t => {
  const run = (...args: string[]) => promisify(execFile)(...bare([bench, ...args]))
  await t.rejects(run('--only', 'nobody'), { message: /no peer named "nobody"/ })
  await t.rejects(run('--scenarios', 'nothing'), { message: /no scenario is named "nothing"/ })
})
