import { Buffer } from 'node:buffer'
import { type Decoder, HpackError } from '../../../src/http2/hpack/decoder.js'

/** More than any test needs. */
export const plenty = 1_000_000

/** Octets from hex, with blanks as in RFC 7541. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

/** What the dynamic table holds, the newest first: read as a peer would. */
export function table(decoder: Decoder): [name: string, value: string][] {
  const entries: [string, string][] = []
  try {
    for (let index = 62; index < 10_000; index++) {
      const block = index < 127 ? [0x80 | index] : [0xff, ...continued(index - 127)]
      const [name, value] = decoder.decode(Buffer.from(block), plenty) ?? []
      entries.push([name!, value!])
    }
  } catch (error) {
    if (!(error instanceof HpackError)) throw error
  }
  return entries
}

/** As RFC 7541 §4.1 counts. */
export function size(entries: readonly (readonly [name: string, value: string])[]): number {
  return entries.reduce((size, [name, value]) => size + name.length + value.length + 32, 0)
}

/** A change of the table's size. */
export function update(size: number): Buffer {
  return Buffer.from(size < 31 ? [0x20 | size] : [0x3f, ...continued(size - 31)])
}

/** A literal of a new name, as plain text; the pattern says how it is indexed. */
export function literal(pattern: number, name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(pattern), plain(name), plain(value)])
}

/** A string as plain text. */
export function plain(text: string): Buffer {
  const length = text.length < 127 ? [text.length] : [0x7f, ...continued(text.length - 127)]
  return Buffer.concat([Buffer.from(length), Buffer.from(text, 'latin1')])
}

function continued(rest: number): number[] {
  return rest < 128 ? [rest] : [(rest & 0x7f) | 0x80, ...continued(rest >>> 7)]
}
