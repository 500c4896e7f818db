import type { Socket } from 'node:net'
import { type Endpoint, OptionsError } from '../../src/index.js'
import type { Probe } from './probe.js'
import { connected, dial, type Target, targetOf } from './target.js'

export interface SocketProbeOptions {
  type: 'tcp' | 'tls'
  port?: number
}

/** Passes when a connection can be made; over `tls`, when its certificate can be verified, too. */
export class SocketProbe implements Probe {
  readonly #target: Target
  #socket: Socket | undefined = undefined

  /** @throws OptionsError when the endpoint is not https, but TLS is asked for */
  constructor(endpoint: Endpoint, { type, port }: SocketProbeOptions) {
    const target = targetOf(endpoint, port === undefined ? {} : { port })
    if (type === 'tls' && target.tls === undefined) {
      throw new OptionsError(`health: option type is "tls", but ${endpoint.url} is not https`)
    }
    this.#target = type === 'tls' ? target : { ...target, tls: undefined }
  }

  async run(): Promise<void> {
    const socket = dial(this.#target, 'http/1.1')
    this.#socket = socket
    await connected(socket)
    // A TLS connection is closed as one should be, so that the endpoint has nothing to complain of in its log.
    socket.destroySoon()
  }

  close(): void {
    this.#socket?.destroy()
  }
}
