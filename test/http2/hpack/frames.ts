import type { Socket } from 'node:net'

/** Frames of HTTP/2, as little as an exchange of header blocks needs. */
export interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

export const headers = 1
export const settings = 4
export const acknowledged = 1
export const endOfStream = 1
export const endOfHeaders = 4
export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export function frame({ type, flags, stream, payload }: Frame): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** The frames a peer sends; the preface of a client is left out. */
export async function* frames(socket: Socket): AsyncGenerator<Frame> {
  let received = Buffer.alloc(0)
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk])
    if (received.length >= preface.length && received.toString('latin1', 0, preface.length) === preface) {
      received = received.subarray(preface.length)
    }
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const end = 9 + received.readUIntBE(0, 3)
      yield {
        type: received[3]!,
        flags: received[4]!,
        stream: received.readUInt32BE(5),
        payload: received.subarray(9, end)
      }
      received = received.subarray(end)
    }
  }
}
