/**
 * The PROXY protocol, versions 1 and 2: a load balancer tells whose connection it passes on.
 * @module
 */
import type { Socket } from 'node:net'
import { OptionsError, plugin } from '../../src/index.js'
import { announce } from './announce.js'
import { type Extensions, readExtensions } from './extensions.js'
import type { Header } from './header.js'
import { options } from './options.js'
import { readHeader } from './reader.js'
import { trust } from './trust.js'

const registered = new WeakSet<object>()
/** Of connections that had one. */
const headers = new WeakMap<Socket, Header>()

/**
 * Reads the header that trusted load balancers send in front of each connection, on all listeners: what everybody sees of a
 * connection from then on is the client's address.
 *
 * @example
 * app.register(proxyProtocol, { from: ['10.0.0.0/8'] })
 */
export default plugin({ name: 'proxy-protocol', options, required: ['from'] }, (app, given) => {
  const { from, unix, ...reading } = given
  if (registered.has(app.server)) throw new OptionsError('proxy-protocol: it is registered already; register it once')
  registered.add(app.server)
  if (from.length === 0 && !unix) {
    throw new OptionsError('proxy-protocol: option from is [], but must name somebody unless unix is true')
  }
  const trusted = trust(from, unix)
  const counts = { announced: 0, refused: 0 }
  app.decorate('proxyProtocol', { getter: () => ({ ...counts }) })
  app.decorateRequest('proxyProtocol', {
    getter() {
      const { socket } = this.raw
      const header = headers.get((socket as unknown as { _parent?: Socket })._parent ?? socket)
      return header && { version: header.version, ...readExtensions(header.extensions) }
    }
  })
  app.addConnectionFilter((socket, next) => {
    if (!trusted(socket)) {
      next()
      return
    }
    readHeader(socket, reading, (header, reason) => {
      if (reason !== undefined) {
        counts.refused++
        app.log.debug({ remoteAddress: socket.remoteAddress, reason }, 'proxy-protocol: a connection was closed')
        socket.destroy()
        return
      }
      if (header !== undefined) {
        counts.announced++
        headers.set(socket, header)
        if (header.client !== undefined && header.server !== undefined) announce(socket, header.client, header.server)
      }
      next()
    })
  })
})

declare module 'fastify' {
  interface FastifyInstance {
    /** Connections with a header, and those closed for theirs, or for want of one. */
    readonly proxyProtocol: { readonly announced: number; readonly refused: number }
  }
  interface FastifyRequest {
    /** What the load balancer has told of the connection, where it has; read anew each time. */
    readonly proxyProtocol: ({ version: 1 | 2 } & Extensions) | undefined
  }
}
