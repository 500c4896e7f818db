import { channel } from 'node:diagnostics_channel'
import type { AddressInfo, Server } from 'node:net'

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
    const name = names[index]
    // A socket unit that names none calls it by the unit or `unknown`: the first one is the gateway's.
    const known = name === 'gateway' || name === 'admin'
    if (known) sockets.set(name, 3 + index)
    else if (!sockets.has('gateway')) sockets.set('gateway', 3 + index)
  }
  return sockets
}

/** As the environment of a process that is given them. */
export function describeSockets(sockets: ReadonlyMap<string, number>): string {
  return [...sockets].map(([name, number]) => `${name}=${number}`).join(',')
}

/** The port, or the path, that a server listens on. */
export type Place = number | string

export function placeOf(server: Server): Place | undefined {
  const address = server.address()
  return typeof address === 'string' ? address : (address as AddressInfo | null)?.port
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
  readonly #handles = new Map<Place, Handle>()
  readonly #channel = channel('tracing:net.server.listen:asyncEnd')

  constructor() {
    this.#channel.subscribe(this.#note)
  }

  find(place: Place): Handle | undefined {
    return this.#handles.get(place)
  }

  /** A connection that came on this port comes once more. */
  give(port: Place | undefined, connection: Handle): void {
    const handle = port === undefined ? undefined : this.#handles.get(port)
    if (handle === undefined) connection.close()
    else handle.onconnection(0, connection)
  }

  close(): void {
    this.#channel.unsubscribe(this.#note)
  }

  readonly #note = (message: unknown): void => {
    const { server } = message as { server: Server }
    const place = placeOf(server)
    const handle = handleOf(server)
    if (place !== undefined && handle !== undefined) this.#handles.set(place, handle)
  }
}
