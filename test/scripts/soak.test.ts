import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const soak = fileURLToPath(new URL('../../scripts/soak.js', import.meta.url))
const skip = process.platform !== 'linux' && 'open files of another process are listed on Linux only'

/** What counts lines covered takes memory of its own. */
const { NODE_OPTIONS, NODE_V8_COVERAGE, ...uninstrumented } = process.env

t.test('requests, aborts and idle connections leave nothing behind', { skip }, async t => {
  const args = ['--requests', '2000', '--aborts', '100', '--idle', '200']
  const { stdout } = await promisify(execFile)(process.execPath, [soak, ...args], { env: uninstrumented })
  t.match(stdout, /\| failed requests \|.* ok \|/)
  t.match(stdout, /\| heap used after gc \|.* ok \|/)
  t.match(stdout, /\| sockets and files \|.* ok \|/)
  t.match(stdout, /\| timers \|.* ok \|/)
  t.match(stdout, /\| RSS, 200 idle connections \|.* ok \|/)
})
