import type { Worker } from 'node:cluster'
import type { Handle } from '../sockets.js'

/** A connection that the primary has accepted, as Node keeps it. */
interface Connection extends Handle {
  /** Not of a socket file. */
  getsockname?(out: { port?: number; address?: string }): number
}

type Send = (message: { act?: string } | undefined, handle?: Connection, ...rest: never[]) => boolean

/**
 * Connections on their way to a worker. node:cluster forgets those that a worker was given and did not take before it
 * died: their clients would wait for ever. Here they are known until they are taken.
 */
export class Handover {
  readonly #owners = new Map<Connection, Worker>()

  /** Notes what node:cluster sends to this worker from now on. */
  watch(worker: Worker): void {
    const { process } = worker
    const send = process.send.bind(process) as Send
    const watched: Send = (message, handle, ...rest) => {
      if (handle !== undefined && message?.act === 'newconn') this.#note(handle, worker)
      return send(message, handle, ...rest)
    }
    process.send = watched as typeof process.send
  }

  /** Those that the worker, which has died, did not take, with the port on which they came. */
  left(worker: Worker): { connection: Handle; port: number | undefined }[] {
    const lost = [...this.#owners].filter(([, owner]) => owner === worker).map(([connection]) => connection)
    return lost.map(connection => {
      this.#owners.delete(connection)
      const name: { port?: number } = {}
      connection.getsockname?.(name)
      return { connection, port: name.port }
    })
  }

  #note(connection: Connection, worker: Worker): void {
    const known = this.#owners.has(connection)
    this.#owners.set(connection, worker)
    if (known) return
    const { close } = connection
    // Closed here as soon as a worker has it.
    connection.close = (...args) => {
      this.#owners.delete(connection)
      close.apply(connection, args)
    }
  }
}
