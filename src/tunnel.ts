import { type IncomingHttpHeaders, type OutgoingHttpHeaders, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { ClientRequest, ClientResponse } from './client.js'

/** What the upstream switched with: its connection and the head of its answer, to which hooks may have added. */
export interface Switch {
  socket: Duplex
  statusMessage: string | undefined
  headers: IncomingHttpHeaders | OutgoingHttpHeaders
}

/**
 * Joins the two connections of an upgraded request until both directions have ended, one has failed, or nothing was
 * said for `idle` milliseconds (0: never). RFC 6455 §7.1.1: each side may close its half first.
 */
export function tunnel(request: ClientRequest, response: ClientResponse, answer: Switch, idle: number): void {
  const client = request.socket
  const upstream = answer.socket
  response.detachSocket(client)
  client.write(switchingProtocols(request.upgradeTo as string, answer), 'latin1')

  client.removeAllListeners('timeout')
  // A byte that comes from one side is written to the other, so that this one timer sees both.
  client.setTimeout(idle, () => {
    client.destroy()
    upstream.destroy()
  })
  join(client, upstream)
  join(upstream, client)
  client.once('close', () => {
    // The access log and onResponse hooks of an upgraded request run when its tunnel ends.
    response.statusCode = 101
    response.emit('finish')
  })
}

/** Ends a connection in a way that tells a part from the whole. */
export function reset(socket: Duplex): void {
  // TLS needs none: its end is told within it.
  if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  else socket.destroy()
}

function join(from: Duplex, to: Duplex): void {
  from.pipe(to)
  from.on('error', () => reset(to))
  from.once('close', () => {
    if (!from.readableEnded) reset(to)
    // All has been said, but it may not have been sent yet.
    else if (to.writableFinished) to.destroy()
    else to.once('finish', () => to.destroy())
  })
}

function switchingProtocols(protocol: string, { statusMessage, headers }: Switch): string {
  let head = `HTTP/1.1 101 ${statusMessage || STATUS_CODES[101]}\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'upgrade' || name === 'connection' || value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) head += `${name}: ${one}\r\n`
  }
  return `${head}\r\n`
}
