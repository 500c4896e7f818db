import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { Notifier } from '../src/systemd.js'

/** A program in the place of systemd-notify, which writes down what it is told; and how to wait for that. */
function stand(t: Test) {
  const directory = t.testdir({ told: '' })
  const program = join(directory, 'systemd-notify')
  writeFileSync(program, `#!/bin/sh\necho "$@" >> "${directory}/told"\n`)
  chmodSync(program, 0o755)
  const told = () => readFileSync(join(directory, 'told'), 'utf8').split('\n').filter(Boolean)
  const become = async (count: number) => {
    while (told().length < count) await new Promise(resolve => setImmediate(resolve))
    return told()
  }
  return { env: { NOTIFY_SOCKET: '/run/x', PATH: `${directory}${delimiter}${process.env.PATH}` }, become, directory }
}

const warn = (message: string) => t.fail(message)

t.test('systemd is told of the start, of reloads and of the end', async t => {
  const { env, become } = stand(t)
  const notifier = new Notifier(warn, env)
  notifier.ready()
  t.same(await become(1), [`READY=1 MAINPID=${process.pid}`])
  notifier.reloading()
  t.match((await become(2))[1], /^RELOADING=1 MONOTONIC_USEC=\d+$/)
  notifier.stopping()
  t.equal((await become(3))[2], 'STOPPING=1')
})

t.test('its watchdog hears of the gateway, until that ends', async t => {
  const { env, become } = stand(t)
  const notifier = new Notifier(warn, { ...env, WATCHDOG_USEC: '40000', WATCHDOG_PID: String(process.pid) })
  notifier.ready()
  t.same((await become(3)).slice(1, 3), ['WATCHDOG=1', 'WATCHDOG=1'])
  notifier.close()
  const other = stand(t)
  const elsewhere = new Notifier(warn, { ...other.env, WATCHDOG_USEC: '20', WATCHDOG_PID: '1' })
  elsewhere.ready()
  elsewhere.stopping()
  t.notMatch((await other.become(2)).join(), 'WATCHDOG', 'it is for another process')
})

t.test('without systemd nothing is told, and what is missing is said once', async t => {
  const { env, directory } = stand(t)
  new Notifier(warn, { PATH: env.PATH }).ready()
  const warnings: string[] = []
  const { promise, resolve } = later()
  const notifier = new Notifier(
    message => {
      warnings.push(message)
      resolve()
    },
    { NOTIFY_SOCKET: '/run/x', PATH: join(directory, 'nowhere') }
  )
  notifier.ready()
  await promise
  notifier.stopping()
  t.match(warnings, [/^systemd cannot be told: spawn systemd-notify ENOENT$/])
  t.equal(warnings.length, 1)
  t.equal(readFileSync(join(directory, 'told'), 'utf8'), '')
})

function later() {
  let resolve: () => void = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
