/**
 * The two messages of grpc.health.v1, in the wire format of Protocol Buffers and the frames of gRPC: too little to need
 * a library.
 * @module
 */

/** `HealthCheckResponse.ServingStatus`. */
export const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** `HealthCheckRequest { string service = 1 }` in a frame: a byte for "not compressed", four for the length. */
export function checkRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** `HealthCheckResponse { ServingStatus status = 1 }` out of its frame. @throws when it is none */
export function servingStatus(frame: Buffer): number {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) throw unreadable()
  let status = 0
  let at = 5
  const number = (): number => {
    let value = 0
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = frame[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw unreadable()
  }
  while (at < frame.length) {
    const tag = number()
    switch (tag % 8) {
      case 0: {
        const value = number()
        // As in any message, the last one of a field counts.
        if (tag === 0x08) status = value
        break
      }
      case 1:
        at += 8
        break
      case 2: {
        const length = number()
        at += length
        break
      }
      case 5:
        at += 4
        break
      default:
        throw unreadable()
    }
  }
  if (at > frame.length) throw unreadable()
  return status
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]
}

function unreadable(): Error {
  return new Error('the answer is no HealthCheckResponse')
}
