import type { Test } from 'tap'
import { type Origin, origin } from './origin.js'

/** A frame of HTTP/2, in bytes. */
export function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, payload])
}

/** A header block: each field a literal, never indexed. */
export function block(fields: [name: string, value: string][]): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of fields) {
    parts.push(Buffer.from([0x10, name.length]), Buffer.from(name), length(value.length), Buffer.from(value))
  }
  return Buffer.concat(parts)
}

function length(octets: number): Buffer {
  if (octets < 127) return Buffer.from([octets])
  const bytes = [127]
  let rest = octets - 127
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}

export function headers(id: number, fields: [string, string][], end = false): Buffer {
  return frame(1, end ? 5 : 4, id, block(fields))
}

export function data(id: number, text: string, end = false): Buffer {
  return frame(0, end ? 1 : 0, id, Buffer.from(text))
}

/** An origin that says SETTINGS, and then answers the first requests of each connection with these bytes. */
export function raw(t: Test, ...answers: Buffer[][]): Promise<Origin> {
  return origin(t, async peer => {
    peer.send(frame(4, 0, 0))
    for (const [index, answer] of answers.entries()) {
      // The head of a HEADERS frame that ends its headers.
      await peer.until(String.fromCharCode(0, 0, 0, index * 2 + 1))
      peer.send(Buffer.concat(answer))
    }
  })
}
