import { lstat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { listenBeside, OptionsError, type Where } from '../../src/index.js'
import { isLoopback } from './access.js'

/** @throws OptionsError in one line */
export async function open(server: Server, where: Where, token: boolean): Promise<string> {
  // Not when it has failed: node:cluster would take the second attempt of one worker for another socket.
  if ('path' in where && (await isStale(where.path))) await unlink(where.path).catch(() => {})
  try {
    await listenBeside('admin', server, where)
  } catch (error) {
    throw explain(error as Error, where)
  }
  const address = server.address() as AddressInfo | string
  if (typeof address === 'string') return `unix:${address}`
  // A socket that systemd has opened is where systemd says.
  if (!token && !isLoopback(address.address)) {
    throw new OptionsError(`admin: its socket is on ${address.address}, where others can reach it: set option token`)
  }
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

/**
 * Runs when a server is about to listen, which waits for it: not with `--check`, nor in tests that `inject`, and before
 * the first client can come. What it throws is the error of `app.listen()`; that of Fastify's hook `onListen` would only
 * be logged, when clients are there already.
 */
export function beforeListen(server: Server, open: () => Promise<void>): void {
  const listen = server.listen.bind(server) as (...args: unknown[]) => Server
  server.listen = ((...args: unknown[]) => {
    open().then(
      () => listen(...args),
      error => server.emit('error', error)
    )
    return server
  }) as Server['listen']
}

/** A process that was killed leaves its file behind, and nobody answers there. */
async function isStale(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined)
  if (!stats?.isSocket()) return false
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
}

function explain(error: Error, where: Where): Error {
  const { code } = error as { code?: string }
  const address = 'path' in where ? where.path : `${where.host} port ${where.port}`
  const reasons: Record<string, string> = {
    EADDRINUSE: 'it is in use; choose another one',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'this machine has no such address',
    EACCES: 'this process may not'
  }
  return new OptionsError(`admin: cannot listen on ${address}: ${reasons[code ?? ''] ?? error.message}`, {
    cause: error
  })
}
