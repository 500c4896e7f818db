import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Decoder, HpackError } from '../../../src/http2/hpack/decoder.js'
import { encodeHuffman } from '../../../src/http2/hpack/huffman.js'
import { Reader } from '../../../src/http2/hpack/reader.js'
import { hex, literal, plain, plenty, size, table, update } from './blocks.js'

function wrong(t: Test, block: Buffer, decoder = new Decoder(4_096)): void {
  t.throws(() => decoder.decode(block, plenty), HpackError, block.toString('hex', 0, 16))
}

t.test('an empty block has no fields', async t => {
  t.same(new Decoder(4_096).decode(Buffer.alloc(0), plenty), [])
})

t.test('an integer above 2^31 - 1, or of more than five octets behind its prefix, is an error', async t => {
  // Index 61 + 2^31 would be index 61 to arithmetic of 32 bits.
  for (const block of ['ff8080808008', 'ffffffffff08', 'ff8080808010', 'ff808080808000', 'ff80808080808080808080']) {
    wrong(t, hex(block))
    t.throws(() => new Reader(hex(block)).integer(0x7f), { message: 'An integer is too large' })
  }
  t.equal(new Reader(hex('ff80ffffff07')).integer(0x7f), 2 ** 31 - 1)
  wrong(t, hex('3fe1ffffff0f'))
  t.same(new Decoder(4_096).decode(hex('3f8080808000'), plenty), [], 'zeros behind it are in order: 31')
})

t.test('index 0 is an error', async t => wrong(t, hex('80')))

t.test('an index behind the tables is an error, as a field and as a name', async t => {
  for (const block of ['be', '7e0161', '0f2f0161', '1f2f0161', 'ff00']) wrong(t, hex(block))
  const decoder = new Decoder(4_096)
  decoder.decode(literal(0x40, 'a', '1'), plenty)
  t.same(decoder.decode(hex('be'), plenty), ['a', '1'])
  wrong(t, hex('bf'), decoder)
})

t.test('an entry that is evicted cannot be indexed', async t => {
  const decoder = new Decoder(4_096)
  decoder.decode(literal(0x40, 'a', '1'), plenty)
  decoder.decode(Buffer.concat([update(0), update(4_096)]), plenty)
  wrong(t, hex('be'), decoder)
})

t.test('a block that ends within a field is an error, wherever', async t => {
  const huffman = Buffer.alloc(8)
  const end = encodeHuffman('abcdefgh', huffman, 0)
  const code = Buffer.concat([Buffer.of(0x40, 0x80 | end), huffman.subarray(0, end), plain('x'.repeat(200))])
  for (const block of [literal(0x40, 'name', 'value'), literal(0x00, 'name', 'v'.repeat(300)), code, hex('ff8001')]) {
    for (let length = 1; length < block.length; length++) wrong(t, block.subarray(0, length))
  }
  for (const [block, message] of [
    ['ff80', 'The block ends within an integer'],
    ['40', 'The block ends before a string'],
    ['4002', 'The block ends within a string']
  ] as const) {
    t.throws(() => new Decoder(4_096).decode(hex(block), plenty), { message })
  }
})

t.test('a string that is no Huffman code is an error, as a name and as a value', async t => {
  wrong(t, hex('4081ff0161'))
  wrong(t, hex('40016181ff'))
  wrong(t, hex('40016184fffffffc'))
})

t.test('a table larger than announced is an error', async t => {
  wrong(t, update(4_097))
  wrong(t, update(101), new Decoder(100))
  wrong(t, update(1), new Decoder(0))
  t.same(new Decoder(65_536).decode(update(65_536), plenty), [])
})

t.test('the size of the table changes at the beginning of a block only', async t => {
  t.same(new Decoder(4_096).decode(Buffer.concat([update(0), update(100), hex('82')]), plenty), [':method', 'GET'])
  wrong(t, Buffer.concat([hex('82'), update(100)]))
  // But for that it would be a literal.
  wrong(t, hex('82 20 0161 0161'))
  wrong(t, Buffer.concat([update(100), hex('82'), update(0)]))
})

t.test('a smaller table evicts the oldest entries; a larger one takes more', async t => {
  const decoder = new Decoder(65_536)
  const all = Array.from({ length: 2_000 }, (_, i) => [`name-${i}`, `value-${i}`] as const).reverse()
  const blocks = all.toReversed().map(([name, value]) => literal(0x40, name, value))
  decoder.decode(Buffer.concat(blocks), plenty)
  const held = (octets: number) => all.filter((_, i) => size(all.slice(0, i + 1)) <= octets)
  t.same(table(decoder), held(4_096), 'as large as any before it is told')
  decoder.decode(Buffer.concat([update(60_000), ...blocks]), plenty)
  t.same(table(decoder), held(60_000))
  decoder.decode(update(200), plenty)
  t.same(table(decoder), held(200))
})

t.test('an entry that fits exactly stays', async t => {
  const decoder = new Decoder(4_096)
  decoder.decode(literal(0x40, 'a', '1'), plenty)
  decoder.decode(update(34), plenty)
  t.same(table(decoder), [['a', '1']])
  decoder.decode(update(33), plenty)
  t.same(table(decoder), [])
})

t.test('a field larger than the table empties it, and is told nevertheless', async t => {
  const decoder = new Decoder(4_096)
  decoder.decode(literal(0x40, 'a', '1'), plenty)
  const value = 'v'.repeat(4_064)
  t.same(decoder.decode(literal(0x40, 'b', value), plenty), ['b', value])
  t.same(table(decoder), [])
  t.same(decoder.decode(literal(0x40, '', value), plenty), ['', value], 'one octet less fits')
  t.same(table(decoder), [['', value]])
})

t.test('a name is taken from the entry that its own field evicts (RFC 7541 §4.4)', async t => {
  const decoder = new Decoder(4_096)
  const name = 'n'.repeat(2_000)
  decoder.decode(literal(0x40, name, 'v'.repeat(2_000)), plenty)
  const value = 'w'.repeat(1_500)
  t.same(decoder.decode(Buffer.concat([hex('7e'), plain(value)]), plenty), [name, value])
  t.same(table(decoder), [[name, value]])
})

t.test('the limit counts names, values and 32 octets a field; beyond it the table is kept right', async t => {
  const block = Buffer.concat([literal(0x40, 'a', '1'), literal(0x00, 'b', '2'), literal(0x40, 'c', '3'), hex('82')])
  const limit = 3 * 34 + 10 + 32
  t.same(new Decoder(4_096).decode(block, limit), ['a', '1', 'b', '2', 'c', '3', ':method', 'GET'])
  for (const less of [limit - 1, 100, 34, 33, 0]) {
    const decoder = new Decoder(4_096)
    t.equal(decoder.decode(block, less), undefined, `${less}`)
    t.same(table(decoder), [
      ['c', '3'],
      ['a', '1']
    ])
  }
})

t.test('beyond the limit a large name empties the table like any other', async t => {
  const decoder = new Decoder(4_096)
  const large = literal(0x40, 'n'.repeat(5_000), 'v')
  t.equal(decoder.decode(Buffer.concat([literal(0x40, 'a', '1'), large]), 40), undefined)
  t.same(table(decoder), [])
})

t.test('what lies beyond the limit is checked', async t => {
  const decoder = new Decoder(4_096)
  t.throws(() => decoder.decode(Buffer.concat([literal(0x00, 'a', '1'), hex('40016181ff')]), 0), HpackError)
  t.throws(() => new Decoder(4_096).decode(Buffer.concat([literal(0x00, 'a', '1'), hex('be')]), 0), HpackError)
})

t.test('a bomb of references costs no more than its octets', async t => {
  const decoder = new Decoder(4_096)
  const value = 'v'.repeat(4_000)
  const bomb = Buffer.concat([literal(0x40, 'bomb', value), Buffer.alloc(1_000_000, 0xbe)])
  const before = process.memoryUsage().heapUsed
  t.equal(decoder.decode(bomb, 65_536), undefined)
  t.ok(process.memoryUsage().heapUsed - before < 4_000_000, 'and no memory, though it stands for 4 GB')
  t.same(table(decoder), [['bomb', value]])
})

t.test('a field keeps nothing of the block alive, nor changes with it', async t => {
  const decoder = new Decoder(4_096)
  const block = literal(0x40, 'name', 'v'.repeat(100))
  const fields = decoder.decode(block, plenty)
  block.fill(0)
  t.same(fields, ['name', 'v'.repeat(100)])
  t.same(table(decoder), [['name', 'v'.repeat(100)]])
})

t.test('a string longer than most is decoded as well', async t => {
  const value = 'a\xff0'.repeat(30_000)
  const code = Buffer.alloc(value.length * 4)
  const end = encodeHuffman(value, code, 0)
  const length = plain('x'.repeat(end)).subarray(0, -end)
  length[0]! |= 0x80
  const block = Buffer.concat([hex('00 01 61'), length, code.subarray(0, end)])
  t.same(new Decoder(4_096).decode(block, plenty), ['a', value])
})

t.test('any octets are fields, more than the limit, or an error of their own', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), fc.nat(500), (blocks, limit) => {
      const decoder = new Decoder(4_096)
      try {
        for (const block of blocks) {
          const fields = decoder.decode(Buffer.from(block), limit)
          if (fields === undefined) continue
          const pairs = fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]!] as const] : []))
          if (size(pairs) > limit) return false
        }
      } catch (error) {
        return error instanceof HpackError
      }
      return true
    }),
    { numRuns: 2_000 }
  )
})
