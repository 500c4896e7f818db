import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Headgate, plugins } from '../workers/processes.js'
import { get } from './tls-world.js'

const tls = new URL('../../plugins/tls/index.js', import.meta.url).href

async function serve(t: Test, workers: number) {
  const file = join(t.testdir(), 'app.mjs')
  writeFileSync(
    file,
    `import tls from '${tls}'
import '${plugins}'
export default app => {
  app.register(tls, { selfSigned: true })
  app.get('/', async () => String(process.pid))
}
`
  )
  const headgate = new Headgate(t, [file], { WORKERS: String(workers) })
  const url = await headgate.url(workers)
  return { headgate, port: Number(new URL(url).port) }
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(
    `${maxVersion}: a session is resumed by any worker, and by those of a reload`,
    { timeout: 60_000 },
    async t => {
      const { headgate, port } = await serve(t, 2)
      const first = await get(port, { maxVersion, servername: 'localhost' })
      const ask = () =>
        get(port, { maxVersion, servername: 'localhost', ...(first.session && { session: first.session }) })
      const before = new Set<string>()
      while (before.size < 2) {
        const { body, resumed } = await ask()
        t.ok(resumed)
        before.add(body)
      }
      headgate.signal('SIGHUP')
      await headgate.says(/^reloaded$/)
      const after = new Set<string>()
      while (after.size < 2) {
        const { body, resumed } = await ask()
        if (before.has(body)) continue
        t.ok(resumed)
        after.add(body)
      }
      headgate.signal('SIGTERM')
      t.match(await headgate.ended, { code: 0, stderr: '' })
    }
  )
}

t.test('in one process, sessions outlast a reload', { timeout: 60_000 }, async t => {
  const { headgate, port } = await serve(t, 1)
  const { session } = await get(port, { servername: 'localhost' })
  headgate.signal('SIGHUP')
  await headgate.says(/^reloaded$/)
  t.ok((await get(port, { servername: 'localhost', ...(session && { session }) })).resumed)
  headgate.signal('SIGTERM')
  t.match(await headgate.ended, { code: 0 })
})
