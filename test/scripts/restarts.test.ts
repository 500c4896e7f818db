import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { bare } from '../bare.js'

const restarts = fileURLToPath(new URL('../../scripts/restarts.js', import.meta.url))

for (const workers of ['1', '2']) {
  t.test(`reloads and upgrades of ${workers} lose no request and no WebSocket message`, async t => {
    const args = ['--reloads', '2', '--upgrades', '1', '--workers', workers, '--rate', '100']
    // What it rejects with when something was lost has the output, too.
    const { stdout } = await promisify(execFile)(...bare([restarts, ...args])).catch(error => error)
    t.match(stdout, /^[1-9]\d* requests over [1-9]\d* connections, [1-9]\d* WebSocket messages, [1-9]\d* farewells$/m)
    t.match(stdout, /^0 lost$/m)
  })
}
