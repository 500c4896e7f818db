import cluster from 'node:cluster'
import { chmod, lstat, rename, stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { unsettled } from './sockets.js'

/** Bytes of a path that a socket file can have on each system. */
const longest = 103

/**
 * Makes a socket file: aside at first, so that it has its mode, and listens, when it gets its name.
 *
 * @param listen at this path; where node:cluster has the socket already, no file is made
 * @throws the error of node:net or node:fs; EADDRINUSE when somebody answers there, EEXIST when it is no socket
 */
export async function bindFile(
  { path, mode }: { path: string; mode?: number | undefined },
  listen: (path: string) => Promise<void>
): Promise<void> {
  const aside = unsettled(path, cluster.isWorker ? process.ppid : process.pid)
  // libuv cuts off what is longer, and makes another file.
  if (Buffer.byteLength(aside) > longest)
    throw Object.assign(new Error(`${path} is too long`), { code: 'ENAMETOOLONG' })
  // A folder that is missing is EACCES to libuv.
  await stat(dirname(path))
  // Of a process of this number that was killed just then.
  await removeStale(aside)
  await listen(aside)
  if (!(await exists(aside))) return
  try {
    if (mode !== undefined) await chmod(aside, mode)
    await makeWay(path)
    await rename(aside, path)
  } catch (error) {
    // Another worker has done it before.
    if (cluster.isWorker && (error as NodeJS.ErrnoException).code === 'ENOENT') return
    await unlink(aside).catch(() => {})
    throw error
  }
}

/** Removes a socket file where nobody listens: a process that was killed leaves its own behind. */
export async function removeStale(path: string): Promise<void> {
  if ((await answers(path)) === 'ECONNREFUSED') await unlink(path).catch(() => {})
}

async function makeWay(path: string): Promise<void> {
  const answer = await answers(path)
  if (answer === undefined || answer === 'ECONNREFUSED') return
  throw Object.assign(new Error(`${answer}: ${path}`), { code: answer === 'yes' ? 'EADDRINUSE' : answer })
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false
  )
}

/** `yes`, why not, EEXIST where it is no socket, or undefined where there is no file. */
async function answers(path: string): Promise<string | undefined> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return undefined
  if (!stats.isSocket()) return 'EEXIST'
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('yes')
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
  })
}
