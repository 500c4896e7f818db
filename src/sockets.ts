import { channel } from 'node:diagnostics_channel'
import type { AddressInfo, Server } from 'node:net'
import { resolve } from 'node:path'

/** What a listener may be called, so that systemd and a process after this one can name its socket. */
export const socketName = /^[a-z][a-z0-9_-]*$/

/**
 * Listening sockets by name that this process was given: by the gateway before it (`HEADGATE_SOCKETS`, `gateway=4,admin=5`)
 * or by systemd (`LISTEN_FDS`). The numbers are those of the primary, for workers, too.
 */
export function inheritedSockets(env: NodeJS.ProcessEnv = process.env, pid = process.pid): ReadonlyMap<string, number> {
  if (env.HEADGATE_SOCKETS) {
    const pairs = env.HEADGATE_SOCKETS.split(',').map(pair => pair.split('='))
    return new Map(pairs.map(([name = '', number]) => [name, Number(number)]))
  }
  const count = Number(env.LISTEN_FDS ?? 0)
  if (!(count > 0) || Number(env.LISTEN_PID) !== pid) return new Map()
  const names = env.LISTEN_FDNAMES?.split(':') ?? []
  const sockets = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const name = names[index] ?? 'unknown'
    // A socket unit that names none calls it by the unit, `headgate.socket`, or `unknown`: the first one is the gateway's.
    const known = name !== 'unknown' && socketName.test(name) ? name : 'gateway'
    if (!sockets.has(known)) sockets.set(known, 3 + index)
  }
  return sockets
}

/** As the environment of a process that is given them. */
export function describeSockets(sockets: ReadonlyMap<string, number>): string {
  return [...sockets].map(([name, number]) => `${name}=${number}`).join(',')
}

/** The address and port, or the path, that a server listens on; a socket file that was inherited tells no path. */
export type Place = string

export function placeOf(server: Server): Place | undefined {
  const address = server.address()
  if (typeof address === 'string') return settled(address)
  return address === null ? undefined : placeOfPort(address)
}

function placeOfPort({ address, port }: AddressInfo): Place {
  return `${address} port ${port}`
}

/**
 * Where a socket file is made before it gets its name: libuv removes, when it closes a socket, the file that it has made
 * by the name it had then. Ours stays while another process has the socket.
 *
 * @param pid of the process that listens: the primary, for workers
 */
export function unsettled(path: string, pid: number): string {
  return `${path}.${pid}~`
}

function settled(path: string): string {
  // node:cluster makes it relative where that is shorter.
  return resolve(path).replace(/\.\d+~$/, '')
}

/** The handle of a listening socket, as Node keeps it. */
export interface Handle {
  readonly fd: number
  close(...args: unknown[]): void
  onconnection(error: number, connection: Handle): void
}

export function handleOf(server: Server): Handle | undefined {
  return (server as unknown as { _handle: Handle | null })._handle ?? undefined
}

/**
 * The sockets on which this process listens, those that node:cluster opens for its workers included: it keeps them to
 * itself, but Node tells of each as it opens.
 */
export class Listening {
  readonly #handles = new Map<Place | number, Handle>()
  readonly #channel = channel('tracing:net.server.listen:asyncEnd')

  constructor() {
    this.#channel.subscribe(this.#note)
  }

  /** @param name by which the socket may have been inherited, when its place is none that Node tells */
  find(place: Place | null | undefined, name: string): Handle | undefined {
    const handle = this.#handles.get(place ?? '')
    return handle ?? this.#handles.get(inheritedSockets().get(name) ?? -1)
  }

  /** A connection that came on this port comes once more. */
  give(port: number | undefined, connection: Handle): void {
    const ending = ` port ${port}`
    for (const [place, handle] of this.#handles) {
      if (typeof place === 'string' && place.endsWith(ending)) return handle.onconnection(0, connection)
    }
    connection.close()
  }

  close(): void {
    this.#channel.unsubscribe(this.#note)
  }

  readonly #note = (message: unknown): void => {
    const { server } = message as { server: Server }
    const handle = handleOf(server)
    if (handle !== undefined) this.#handles.set(placeOf(server) ?? handle.fd, handle)
  }
}
