import cluster from 'node:cluster'
import type { Runner } from '../runner.js'
import { type Place, placeOf } from '../sockets.js'
import { tell } from './cluster-worker.js'
import { isMessage } from './messages.js'

/** Milliseconds between two signs of life. */
const pulse = 1_000

/** Serves in this process as one of several, until the primary says that it is enough. */
export async function work(
  runner: Runner,
  end: (code: number) => never,
  fail: (error: unknown) => never
): Promise<void> {
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    runner.close().then(() => end(0), fail)
  }
  process.on('message', message => {
    if (!isMessage(message)) return
    if (message.headgate === 'stop') stop()
    else if (message.headgate === 'arrive') tell({ headgate: 'arrived' })
  })
  // The primary has gone: nobody would ever end this process. By itself, node:cluster would end it at once.
  if (cluster.worker !== undefined) {
    cluster.worker.exitedAfterDisconnect = true
    // What can no longer be told is no error of this process.
    cluster.worker.on('error', () => {})
  }
  process.on('disconnect', stop)
  // From a terminal, and from systemd, they go to all processes.
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => {})
  process.on('SIGUSR2', () => {})

  await runner.load()
  const address = await runner.listen()
  const sockets = [...runner.servers].map(([name, server]) => [name, placeOf(server)] as [string, Place])
  tell({ headgate: 'ready', address, told: runner.told, sockets })
  const beat = () => tell({ headgate: 'alive', memory: process.memoryUsage.rss() })
  setInterval(beat, pulse).unref()
}
