import type { IncomingHttpHeaders } from 'node:http'

/** "Trailers may be sent as the last message": a frame whose highest bit is set, with fields as HTTP/1.1 has them. */
export function trailerFrame(trailers: IncomingHttpHeaders): Buffer {
  let text = ''
  for (const name of Object.keys(trailers)) {
    const value = trailers[name]
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) text += `${name}: ${one}\r\n`
  }
  const frame = Buffer.allocUnsafe(5 + text.length)
  frame[0] = 0x80
  frame.writeUInt32BE(text.length, 1)
  frame.write(text, 5, 'latin1')
  return frame
}
