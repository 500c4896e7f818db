import t from 'tap'
import { gateway } from '../../src/index.js'

const app = gateway()
t.teardown(() => app.close())
const { workers } = app

t.test('in one process, it leads', async t => {
  const told: string[] = []
  workers.lead(() => {
    told.push('begins')
    return () => told.push('ends')
  })
  t.equal(workers.leader, true)
  t.same(told, ['begins'])
  const other = gateway()
  other.workers.lead(() => () => told.push('the other ends'))
  await other.close()
  t.same(told, ['begins', 'the other ends'])
})

t.test('it tells itself, by a copy', async t => {
  const told: unknown[] = []
  const end = workers.subscribe('error', message => told.push(message))
  const message = { a: 1 }
  workers.broadcast('error', message)
  message.a = 2
  workers.broadcast('other', message)
  end()
  workers.broadcast('error', message)
  t.same(told, [{ a: 1 }])
})

t.test('it answers what it gathers, lists and nothing too', async t => {
  t.same(await workers.gather('nobody'), [])
  const end = workers.answer('twice', (list: number[]) => list.map(number => 2 * number))
  t.throws(() => workers.answer('twice', () => 0), { message: 'the topic twice has an answer already' })
  t.same(await workers.gather('twice', [1, 2]), [[2, 4]])
  workers.answer('fails', () => {
    throw new Error('no')
  })
  t.same(await workers.gather('fails'), [])
  end()
  t.same(await workers.gather('twice', [1]), [])
})

t.test('a service is one module, and what it throws arrives', async t => {
  const service = new URL('./counter.js', import.meta.url)
  t.equal(await workers.ask(service, 'add', 2), 2)
  t.equal(await workers.ask(service, 'add', 3), 5)
  await t.rejects(workers.ask(service, 'fail'), { message: 'it failed' })
  await t.rejects(workers.ask(service, 'nothing'), { message: /exports no function nothing$/ })
})

t.test('a lease is its own', async t => {
  t.equal(await workers.lease('mine', 1_000), true)
  t.equal(await workers.lease('mine', 1_000), true)
})
