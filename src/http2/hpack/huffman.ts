import { codes, endOfString, lengths } from './huffman-codes.js'

// The decoder is an automaton that reads an octet a step. A state is a node of the code's tree, which has 256 besides
// its leaves; an octet completes at most two symbols, since the shortest code has five bits.
// A step: next state (8 bits), symbols (2 bits), failed (1 bit), from bit 16 the first symbol, from bit 24 the second.
const one = 1 << 8
const symbols = 3 << 8
const failed = 1 << 10
const { steps, ends } = automaton()

/** Octets that `octets` of Huffman code decode to at most, with room for the automaton to write ahead. */
export function decodedAtMost(octets: number): number {
  return Math.ceil((octets * 8) / 5) + 2
}

/**
 * Decodes source[start, end) to the beginning of the target, which has room for `decodedAtMost`.
 * @returns octets written, or -1 if the code is wrong: it holds the end of string, or is padded with more than seven
 * bits or with others than ones (RFC 7541 §5.2)
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let state = 0
  let written = 0
  let seen = 0
  for (let at = start; at < end; at++) {
    const step = steps[(state << 8) | source[at]!]!
    target[written] = step >>> 16
    target[written + 1] = step >>> 24
    written += (step >>> 8) & 3
    state = step & 0xff
    seen |= step
  }
  return (seen & failed) === 0 && ends[state] === 1 ? written : -1
}

/** Octets of the Huffman code of a text. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff]!
  return (bits + 7) >>> 3
}

/** @returns the position in the target behind the Huffman code of a text */
export function encodeHuffman(text: string, target: Uint8Array, at: number): number {
  let pending = 0
  let bits = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff
    let length = lengths[symbol]!
    let code = codes[symbol]!
    // Up to seven bits are pending, and 32 fit.
    if (length > 24) {
      pending = (pending << 8) | (code >>> (length - 8))
      target[at++] = pending >>> bits
      length -= 8
      code &= (1 << length) - 1
    }
    pending = (pending << length) | code
    bits += length
    while (bits >= 8) {
      bits -= 8
      target[at++] = pending >>> bits
    }
  }
  // Padded with the first bits of the end of string.
  if (bits > 0) target[at++] = (pending << (8 - bits)) | (0xff >>> bits)
  return at
}

function automaton(): { steps: Int32Array; ends: Uint8Array } {
  // Children of a node: another node, or a leaf as ~symbol.
  const children = new Int16Array(512)
  let nodes = 1
  for (let symbol = 0; symbol <= endOfString; symbol++) {
    let node = 0
    for (let bit = lengths[symbol]! - 1; bit > 0; bit--) {
      const branch = node * 2 + ((codes[symbol]! >>> bit) & 1)
      if (children[branch] === 0) children[branch] = nodes++
      node = children[branch]!
    }
    children[node * 2 + (codes[symbol]! & 1)] = ~symbol
  }
  // An octet is two half ones: that is less to walk at the start.
  const halves = new Int32Array(256 * 16)
  for (let at = 0; at < halves.length; at++) halves[at] = half(children, at >>> 4, at & 0xf)
  const steps = new Int32Array(256 * 256)
  for (let at = 0; at < steps.length; at++) {
    const first = halves[at >>> 4]!
    const second = halves[((first & 0xff) << 4) | (at & 0xf)]!
    const shift = (first & symbols) === 0 ? 0 : 8
    steps[at] =
      ((first | second) & failed) |
      (second & 0xff) |
      ((first & symbols) + (second & symbols)) |
      (first & ~0xffff) |
      ((second & ~0xffff) << shift)
  }
  // A text may end at the root, or less than an octet of ones below it.
  const ends = new Uint8Array(256)
  for (let depth = 0, node = 0; depth < 8; depth++) {
    ends[node] = 1
    node = children[node * 2 + 1]!
  }
  return { steps, ends }
}

/** The step of four bits: they complete one symbol at most. */
function half(children: Int16Array, state: number, bits: number): number {
  let node = state
  let found = 0
  for (let bit = 3; bit >= 0; bit--) {
    node = children[node * 2 + ((bits >>> bit) & 1)]!
    if (node >= 0) continue
    if (~node === endOfString) return failed
    found = (~node << 16) | one
    node = 0
  }
  return node | found
}
