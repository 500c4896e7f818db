import cluster from 'node:cluster'
import { once } from 'node:events'
import type { ListenOptions, Server } from 'node:net'
import { bindFile, removeStale } from './socket-file.js'
import { type Handle, handleOf, inheritedSockets } from './sockets.js'

/** Where a server beside the gateway's own listens; `mode` is that of the socket file, else what the umask leaves. */
export type Where = { host: string; port: number } | { path: string; mode?: number | undefined }

interface Listener {
  name: string
  server: Server
  where: Where
  /** Whose socket it has taken, until that one ends: it gets it back if this one does not come to serve. */
  before: Listener | undefined
}

/** Those that listen beside the gateway's own server, by name: `admin`. */
const listeners = new Map<string, Listener>()
/** Inherited sockets that had their server: where that has closed one, its number is nobody's. */
const taken = new Set<string>()

/**
 * Lets a server listen beside the gateway's own, so that its socket outlasts reloads and upgrades, as the gateway's does:
 * it goes to the server of that name of the next app, or of the next process.
 *
 * @throws the error of node:net, such as EADDRINUSE; EEXIST where a file is in the way that is no socket
 * @example
 * app.addHook('onReady', () => listenBeside('admin', server, { host: '127.0.0.1', port: 9000 }))
 * app.addHook('onClose', () => closeBeside(server))
 */
export async function listenBeside(name: string, server: Server, where: Where): Promise<void> {
  const before = listeners.get(name)
  const handle = before !== undefined && isSame(before.where, where) ? takeHandle(before.server) : undefined
  if (handle !== undefined) {
    await adopt(server, handle, where)
    listeners.set(name, { name, server, where, before })
    return
  }
  const fd = taken.has(name) ? undefined : inheritedSockets().get(name)
  taken.add(name)
  if (fd !== undefined) {
    await listen(server, { fd } as ListenOptions)
    named(server, where)
  } else if ('path' in where) {
    await bindFile(where, path => listen(server, { path })).catch(error => {
      server.close()
      throw error
    })
    named(server, where)
  } else await listen(server, where)
  listeners.set(name, { name, server, where, before: undefined })
}

/**
 * Accepts no more. A socket that was taken from an app that still serves goes back to it: this one did not come up.
 * Resolves when the connections to it have ended; idle ones are closed. A socket file is removed when nobody answers
 * there, in workers by the primary.
 */
export async function closeBeside(server: Server & { closeIdleConnections?(): void }): Promise<void> {
  let path: string | undefined
  for (const listener of listeners.values()) {
    // It ends, and wants nothing back.
    if (listener.before?.server === server) listener.before = undefined
    if (listener.server !== server) continue
    listeners.delete(listener.name)
    const handle = listener.before === undefined ? undefined : takeHandle(server)
    if (listener.before !== undefined && handle !== undefined) {
      await adopt(listener.before.server, handle, listener.where)
      listeners.set(listener.name, listener.before)
    } else if ('path' in listener.where) path = listener.where.path
  }
  await new Promise<void>(resolve => {
    // One whose socket was taken over says that it does not run, and is closed all the same.
    server.close(() => resolve())
    server.closeIdleConnections?.()
  })
  if (path !== undefined && !cluster.isWorker) await removeStale(path)
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

/** The servers that listen beside the gateway's own, by name. */
export function serversBeside(): ReadonlyMap<string, Server> {
  return new Map([...listeners].map(([name, { server }]) => [name, server]))
}

/** From now on the socket is another server's: this one must not close it. */
export function takeHandle(server: Server): Handle | undefined {
  const handle = handleOf(server)
  ;(server as unknown as Internals)._handle = null
  return handle
}

/** The other way round. */
export function giveHandle(server: Server, handle: Handle | undefined): void {
  ;(server as unknown as Internals)._handle = handle ?? null
}

interface Internals {
  _handle: Handle | null
  _pipeName: string | undefined
  _listen2(address: null, port: number, addressType: number, backlog: number): void
}

/** As `listen(handle)`, which takes a socket file's for a number, and opens that a second time. */
async function adopt(server: Server, handle: Handle, where: Where): Promise<void> {
  giveHandle(server, handle)
  const listening = once(server, 'listening')
  ;(server as unknown as Internals)._listen2(null, -1, -1, 511)
  named(server, where)
  await listening
}

async function listen(server: Server, where: ListenOptions): Promise<void> {
  const listening = once(server, 'listening')
  server.listen(where)
  await listening
}

/** For `server.address()`: Node knows the path alone by which it has made the file itself. */
function named(server: Server, where: Where): void {
  if ('path' in where) (server as unknown as Internals)._pipeName = where.path
}

/** A free port is another one each time. */
function isSame(one: Where, other: Where): boolean {
  if ('path' in one || 'path' in other) return 'path' in one && 'path' in other && one.path === other.path
  return one.host === other.host && one.port === other.port && one.port !== 0
}
