import { once } from 'node:events'
import type { ListenOptions, Server } from 'node:net'
import { type Handle, handleOf, inheritedSockets } from './sockets.js'

/** Where a server beside the gateway's own listens. */
export type Where = { host: string; port: number } | { path: string }

interface Listener {
  server: Server
  where: Where
}

/** Those that listen beside the gateway's own server, by name: `admin`. */
const listeners = new Map<string, Listener>()

/**
 * Lets a server listen beside the gateway's own, so that its socket outlasts reloads and upgrades, as the gateway's does:
 * it goes to the server of that name of the next app, or of the next process.
 *
 * @throws the error of node:net, such as EADDRINUSE
 * @example
 * app.addHook('onReady', () => listenBeside('admin', server, { host: '127.0.0.1', port: 9000 }))
 * app.addHook('onClose', () => closeBeside(server))
 */
export async function listenBeside(name: string, server: Server, where: Where): Promise<void> {
  const before = listeners.get(name)
  const handle = before !== undefined && isSame(before.where, where) ? takeHandle(before.server) : undefined
  const fd = inheritedSockets().get(name)
  const listening = once(server, 'listening')
  if (handle !== undefined) server.listen(handle as ListenOptions)
  else server.listen(fd === undefined ? where : { fd })
  await listening
  listeners.set(name, { server, where })
}

/** Resolves when the connections to it have ended; idle ones are closed. */
export function closeBeside(server: Server & { closeIdleConnections?(): void }): Promise<void> {
  for (const [name, listener] of listeners) if (listener.server === server) listeners.delete(name)
  return new Promise(resolve => {
    // One whose socket was taken over says that it does not run, and is closed all the same.
    server.close(() => resolve())
    server.closeIdleConnections?.()
  })
}

/** The servers that listen beside the gateway's own, by name. */
export function serversBeside(): ReadonlyMap<string, Server> {
  return new Map([...listeners].map(([name, { server }]) => [name, server]))
}

/** From now on the socket is another server's: this one must not close it. */
export function takeHandle(server: Server): Handle | undefined {
  const handle = handleOf(server)
  ;(server as unknown as { _handle: Handle | null })._handle = null
  return handle
}

/** The other way round. */
export function giveHandle(server: Server, handle: Handle | undefined): void {
  ;(server as unknown as { _handle: Handle | null })._handle = handle ?? null
}

/** A free port is another one each time. */
function isSame(one: Where, other: Where): boolean {
  if ('path' in one || 'path' in other) return 'path' in one && 'path' in other && one.path === other.path
  return one.host === other.host && one.port === other.port && one.port !== 0
}
