import type { Server, Socket } from 'node:net'

/** One client's connection to the gateway. */
export interface ConnectionState {
  worker: number
  client: string
  /** Seconds since it was opened. */
  age: number
  read: number
  written: number
  /** A request is being answered. */
  busy: boolean
}

/** Knows the clients' connections of this worker. */
export class Connections {
  readonly #opened = new Map<Socket, number>()
  readonly #server: Server
  readonly #worker: number

  constructor(server: Server, worker: number) {
    this.#server = server
    this.#worker = worker
    server.on('connection', this.#onConnection)
  }

  get open(): number {
    return this.#opened.size
  }

  get busy(): number {
    let busy = 0
    for (const socket of this.#opened.keys()) if (isBusy(socket)) busy++
    return busy
  }

  /** The oldest ones: they come first in the map. */
  list(most: number, now: number): ConnectionState[] {
    const list: ConnectionState[] = []
    for (const [socket, opened] of this.#opened) {
      if (list.length === most) break
      const { remoteAddress, remotePort, bytesRead, bytesWritten } = socket
      list.push({
        worker: this.#worker,
        client: remoteAddress === undefined ? 'unix' : `${remoteAddress} ${remotePort}`,
        age: Math.round((now - opened) / 1_000),
        read: bytesRead,
        written: bytesWritten,
        busy: isBusy(socket)
      })
    }
    return list
  }

  close(): void {
    this.#server.off('connection', this.#onConnection)
    this.#opened.clear()
  }

  readonly #onConnection = (socket: Socket): void => {
    this.#opened.set(socket, performance.now())
    socket.once('close', () => this.#opened.delete(socket))
  }
}

/** node:http keeps the answer whose turn it is on the socket; an upgraded one has nothing else to do. */
function isBusy(socket: Socket): boolean {
  const { _httpMessage, parser } = socket as unknown as { _httpMessage?: object | null; parser?: object | null }
  return Boolean(_httpMessage) || parser == null
}
