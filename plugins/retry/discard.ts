import { Readable } from 'node:stream'
import type { UpstreamResponse } from '../../src/index.js'

/** So much is read of an answer that nobody wants, to keep its connection; a longer one is cut off. */
const most = 65_536

const ignore = () => {}

/** Nobody wants this answer: it is read to its end when that is near, else its connection is given up. */
export function discard({ body, headers, socket }: UpstreamResponse): void {
  socket?.destroy()
  if (!(body instanceof Readable)) return
  body.on('error', ignore)
  if (Number(headers['content-length'] ?? 0) > most) {
    body.destroy()
    return
  }
  let left = most
  body.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) body.destroy()
  })
}
