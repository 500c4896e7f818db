import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ClientRequest, ClientResponse } from './client.js'
import type { UpstreamResponse } from './types.js'

/**
 * Joins the two connections of an upgraded request until both directions have ended, one has failed, or nothing was
 * said for `idle` milliseconds (0: never). RFC 6455 §7.1.1: each side may close its half first.
 */
export function tunnel(request: ClientRequest, response: ClientResponse, answer: UpstreamResponse, idle: number): void {
  const client = request.socket
  const upstream = answer.socket as Duplex
  response.detachSocket(client)
  client.write(switchingProtocols(request.upgradeTo as string, answer), 'latin1')

  const end = (): void => {
    client.destroy()
    upstream.destroy()
  }
  // A byte that comes from one side is written to the other, so that this one timer sees both.
  client.removeAllListeners('timeout').setTimeout(idle, end)
  for (const socket of [client, upstream]) {
    socket.on('error', end)
    socket.on('close', end)
  }
  client.once('close', () => {
    // The access log and onResponse hooks of an upgraded request run when its tunnel ends.
    response.statusCode = 101
    response.emit('finish')
  })
  client.pipe(upstream)
  upstream.pipe(client)
}

function switchingProtocols(protocol: string, { statusMessage, headers }: UpstreamResponse): string {
  let head = `HTTP/1.1 101 ${statusMessage || STATUS_CODES[101]}\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'upgrade' || name === 'connection' || value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) head += `${name}: ${one}\r\n`
  }
  return `${head}\r\n`
}
