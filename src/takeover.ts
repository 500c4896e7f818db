import { type ChildProcess, spawn } from 'node:child_process'
import { describeSockets } from './sockets.js'

/** Milliseconds until the new process must serve. */
const timeout = 60_000

/** The first file descriptors are standard input, output and errors, and the channel between the two processes. */
const first = 4

/**
 * Starts this program anew, as it now lies on the disk, with the sockets that this process listens on.
 * @param sockets their file descriptors by name
 * @param ending aborts when this process ends before: the new one ends, too
 * @returns the process, which serves
 * @throws Error when it does not come up; it has said why
 */
export function takeOver(sockets: ReadonlyMap<string, number>, ending: AbortSignal): Promise<ChildProcess> {
  const { HEADGATE_WORKER, LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, WATCHDOG_PID, ...env } = process.env
  const names = new Map([...sockets.keys()].map((name, index) => [name, first + index]))
  const [, script = '', ...args] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...sockets.values()],
    env: { ...env, HEADGATE_SOCKETS: describeSockets(names) }
  })
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the new process did not serve within ${timeout / 1_000} s`))
    }, timeout)
    const end = () => child.kill()
    const settle = () => {
      clearTimeout(late)
      ending.removeEventListener('abort', end)
      child.removeAllListeners()
    }
    const fail = (error: Error) => {
      settle()
      reject(error)
    }
    ending.addEventListener('abort', end)
    child.once('error', fail)
    child.once('exit', (code, signal) => fail(new Error(`the new process ended with ${signal ?? `code ${code}`}`)))
    child.once('message', () => {
      settle()
      // It outlives this process.
      child.disconnect()
      child.unref()
      resolve(child)
    })
  })
}

/** Tells the process before this one, if there is one, that it may end. */
export function tellPredecessor(): void {
  if (process.env.HEADGATE_SOCKETS === undefined || process.send === undefined) return
  process.send({ headgate: 'serving' })
}
