import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { ClientRequest, ClientResponse, Switch } from './client.js'
import { Frames, goingAway } from './websocket.js'

/**
 * Joins the two connections of an upgraded request until both directions have ended, one has failed, or nothing was
 * said for `idle` milliseconds (0: never). RFC 6455 §7.1.1: each side may close its half first.
 */
export function tunnel(
  request: ClientRequest,
  response: ClientResponse,
  upstream: Duplex,
  answer: Switch,
  idle: number
): void {
  const client = response.switchProtocols(request.upgradeTo as string, answer)
  const { bytesRead, bytesWritten, drain, readableLength } = client
  request.switched = { socket: client, read: bytesRead - readableLength, written: bytesWritten }

  // A byte that comes from one side is written to the other, so that this one timer sees both.
  client.setTimeout(idle, () => {
    client.destroy()
    upstream.destroy()
  })
  join(client, upstream)
  join(upstream, client)
  const leave = request.upgradeTo === 'websocket' ? farewell(upstream, client) : () => {}
  const entry = { leave, destroy: () => upstream.destroy() }
  drain?.tunnels.add(entry)
  client.once('close', () => {
    drain?.tunnels.delete(entry)
    // The access log and onResponse hooks of an upgraded request run when its tunnel ends.
    response.statusCode = 101
    response.emit('finish')
  })
  if (drain?.begun) leave()
}

/**
 * RFC 6455 §7.1.2: ends a WebSocket with a Close frame to the client, between two frames of the upstream. The client's own
 * Close goes on to the upstream, which then closes the connection.
 *
 * @returns what begins it
 */
function farewell(upstream: Duplex, client: Duplex): () => void {
  const frames = new Frames()
  let leaving = false
  const say = () => {
    upstream.removeListener('data', follow)
    client.write(goingAway)
    // What the upstream says now is for nobody.
    upstream.resume()
    upstream.once('end', () => client.end())
  }
  const follow = (chunk: Buffer) => {
    const end = frames.push(chunk)
    if (!leaving) return
    if (!client.write(end === -1 ? chunk : chunk.subarray(0, end))) {
      upstream.pause()
      client.once('drain', () => upstream.resume())
    }
    if (end !== -1) say()
  }
  upstream.on('data', follow)
  return () => {
    if (leaving || client.destroyed || upstream.destroyed) return
    leaving = true
    upstream.unpipe(client)
    if (frames.between) say()
    else upstream.resume()
  }
}

/** Ends a connection in a way that tells a part from the whole. */
export function reset(socket: Duplex): void {
  // TLS needs none: its end is told within it. What has said its end cannot be reset any more.
  if (socket instanceof Socket && !(socket instanceof TLSSocket) && !socket.writableEnded) socket.resetAndDestroy()
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
