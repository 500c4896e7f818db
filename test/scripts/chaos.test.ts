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
  const args = ['--scenario', 'kill', '--seconds', '8', '--rate', '100', '--seed', '1']
  // What it rejects with when a promise is broken has the output, too.
  const { stdout, stderr } = await promisify(execFile)(...bare([chaos, ...args])).catch(error => error)
  t.match(stderr, /was killed/)
  t.match(stdout, /^\| kill-retry \| [1-9]\d* \| 0 \| .* ok \|$/m)
  t.match(stdout, /^\| kill-ring \| [1-9]\d* \| 0 \| .* ok \|$/m)
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

t.test('an endpoint that becomes slow is ejected', t => leavesTheSlowOne(t, { pick: 'roundRobin', outlier: true }))

t.test('an endpoint that becomes slow is avoided by peak EWMA', t =>
  leavesTheSlowOne(t, { pick: 'peakEwma', outlier: false })
)
