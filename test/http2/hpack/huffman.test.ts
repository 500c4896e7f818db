import fc from 'fast-check'
import t from 'tap'
import { decodedAtMost, decodeHuffman, encodeHuffman, huffmanLength } from '../../../src/http2/hpack/huffman.js'
import { codes, lengths } from '../../../src/http2/hpack/huffman-codes.js'
import { hex } from './blocks.js'

const latin1 = fc.uint8Array({ maxLength: 300 }).map(octets => Buffer.from(octets).toString('latin1'))

function decoded(code: Uint8Array): string | undefined {
  const target = Buffer.alloc(decodedAtMost(code.length))
  const octets = decodeHuffman(code, 0, code.length, target)
  return octets < 0 ? undefined : target.toString('latin1', 0, octets)
}

function encoded(text: string): Buffer {
  const target = Buffer.alloc(text.length * 4)
  return target.subarray(0, encodeHuffman(text, target, 0))
}

t.test('the codes are those of RFC 7541 appendix B', async t => {
  for (const [symbol, code, length] of [
    [0, 0x1ff8, 13],
    [10, 0x3ffffffc, 30],
    [32, 0x14, 6],
    [48, 0x0, 5],
    [92, 0x7fff0, 19],
    [97, 0x3, 5],
    [122, 0x7b, 7],
    [128, 0xfffe6, 20],
    [249, 0xffffffe, 28],
    [255, 0x3ffffee, 26],
    [256, 0x3fffffff, 30]
  ] as const) {
    t.same([codes[symbol], lengths[symbol]], [code, length], `symbol ${symbol}`)
  }
})

t.test('each text is decoded to what was encoded, whatever lies around it', async () => {
  fc.assert(
    fc.property(latin1, latin1, (text, other) => {
      const code = encoded(text)
      const around = Buffer.concat([encoded(other), code, encoded(other)])
      const start = (around.length - code.length) / 2
      const target = Buffer.alloc(decodedAtMost(code.length))
      const octets = decodeHuffman(around, start, start + code.length, target)
      return code.length === huffmanLength(text) && target.toString('latin1', 0, octets) === text
    })
  )
})

t.test('each octet is decoded in each position of the bits', async t => {
  for (let octet = 0; octet < 256; octet++) {
    for (const before of ['', 'a', 'aa', 'aaa', 'aaaa', 'aaaaa', 'aaaaaa', 'aaaaaaa']) {
      const text = before + String.fromCharCode(octet)
      if (decoded(encoded(text)) !== text) t.fail(`${octet} behind ${before}`)
    }
  }
  t.pass()
})

t.test('a padding that is longer than seven bits, or not of ones only, is wrong', async t => {
  t.equal(decoded(hex('1f')), 'a', 'three bits')
  t.equal(decoded(hex('ff fe')), undefined, 'a part of a long code')
  for (const code of ['ff', '1fff', '1fffff', '1fffffff', 'ff9fffffff', '00', '18', '1e', '52bc30ffffffff']) {
    t.equal(decoded(hex(code)), undefined, code)
  }
})

t.test('the end of string is wrong wherever it occurs', async t => {
  for (const code of [
    'ffffffff',
    'fffffffc',
    'fffffffd03',
    '1ffffffffc',
    '1fffffffff',
    'ffffffff1f',
    '3030 91ff ffff ffc8'
  ]) {
    t.equal(decoded(hex(code)), undefined, code)
  }
})

t.test('a code fails if, and only if, it is not what its text is encoded to', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), code => {
      const text = decoded(code)
      return text === undefined || encoded(text).equals(code)
    }),
    { numRuns: 2_000 }
  )
})
