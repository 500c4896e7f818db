import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { bare } from '../bare.js'

const soak = fileURLToPath(new URL('../../scripts/soak.js', import.meta.url))
const skip = process.platform !== 'linux' && 'open files of another process are listed on Linux only'

t.test('requests, aborts and idle connections leave nothing behind', { skip }, async t => {
  const args = ['--requests', '2000', '--aborts', '100', '--idle', '200']
  const { stdout } = await promisify(execFile)(...bare([soak, ...args]))
  t.match(stdout, /\| failed requests \|.* ok \|/)
  t.match(stdout, /\| heap used after gc \|.* ok \|/)
  t.match(stdout, /\| sockets and files \|.* ok \|/)
  t.match(stdout, /\| timers \|.* ok \|/)
  t.match(stdout, /\| RSS, 200 idle connections \|.* ok \|/)
})
