import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { Defence } from '../../scripts/chaos/gateway.js'
import { slow } from '../../scripts/chaos/scenarios.js'
import { bare } from '../bare.js'

const chaos = fileURLToPath(new URL('../../scripts/chaos.js', import.meta.url))

t.test('an endpoint killed at any time costs no idempotent request', async t => {
  const killed = async (scenario: string) => {
    const args = ['--scenario', scenario, '--seconds', '8', '--rate', '100', '--seed', '1']
    // What it rejects with when a promise is broken has the output, too.
    const { stdout, stderr } = await promisify(execFile)(...bare([chaos, ...args])).catch(error => error)
    t.match(stderr, /was killed/)
    t.match(stdout, new RegExp(`^\\| ${scenario} \\| [1-9]\\d* \\| 0 \\| .* ok \\|$`, 'm'))
  }
  // Most of the time they wait.
  await Promise.all([killed('kill-retry'), killed('kill-ring')])
})

/** By requests and not by time, of which a busy machine has too little: of three endpoints in turn each gets a third. */
async function leavesTheSlowOne(t: Test, defence: Pick<Defence, 'pick' | 'outlier'>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-chaos-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const { total, twice, late } = await slow({ seconds: 10, rate: 100, seed: 1, directory, tell: () => {} }, defence)
  t.equal(total.failed, 0)
  t.equal(twice, 0)
  t.ok((late?.share ?? 1) < 0.1, `${late?.share} of the requests went to the slow endpoint`)
}

t.test('an endpoint that becomes slow is ejected, or avoided by peak EWMA', async t => {
  await Promise.all([
    leavesTheSlowOne(t, { pick: 'roundRobin', outlier: true }),
    leavesTheSlowOne(t, { pick: 'peakEwma', outlier: false })
  ])
})
