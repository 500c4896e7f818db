import fc from 'fast-check'
import t from 'tap'
import { Decoder } from '../../../src/http2/hpack/decoder.js'
import { Encoder } from '../../../src/http2/hpack/encoder.js'
import { hex, literal, plenty, size, table } from './blocks.js'

const host = [':authority', 'www.example.com'] as const

/** An encoder and the other side. */
function pair() {
  const encoder = new Encoder()
  const decoder = new Decoder(4_096)
  return {
    encoder,
    decoder,
    /** Octets of the block, which has to be decoded to the same fields. */
    send(t: { same(found: unknown, wanted: unknown): unknown }, ...fields: string[]): string {
      const block = encoder.encode(fields)
      t.same(decoder.decode(block, plenty), fields)
      return block.toString('hex')
    }
  }
}

t.test('a field of the static table is an index', async t => {
  const { send } = pair()
  const fields = [':method', 'GET', ':method', 'POST', ':scheme', 'https', ':path', '/', ':path', '/index.html']
  t.equal(send(t, ...fields), '8283878485')
  t.equal(send(t, ':status', '200', ':status', '500', 'accept-encoding', 'gzip, deflate'), '888e90')
})

t.test('a field that is repeated is an index from its second time on (RFC 7541 C.4)', async t => {
  const { send } = pair()
  const request = [':method', 'GET', ':scheme', 'http', ':path', '/', ...host]
  t.equal(send(t, ...request), '828684418cf1e3c2e5f23a6ba0ab90f4ff')
  t.equal(send(t, ...request, 'cache-control', 'no-cache'), '828684be5886a8eb10649cbf')
  const block = send(
    t,
    ':method',
    'GET',
    ':scheme',
    'https',
    ':path',
    '/index.html',
    ...host,
    'custom-key',
    'custom-value'
  )
  t.equal(block, '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf')
  t.equal(send(t, ...host, 'custom-key', 'custom-value', 'cache-control', 'no-cache'), 'c0bebf')
})

t.test('a text that is longer as Huffman code is plain', async t => {
  const { send } = pair()
  t.equal(send(t, 'server', '\xff\xff'), '7602ffff')
})

t.test('a secret is never indexed, however often it is sent', async t => {
  for (const [name, head] of [
    ['authorization', '1f08'],
    ['proxy-authorization', '1f22'],
    ['cookie', '1f11'],
    ['set-cookie', '1f28'],
    ['x-api-key', literal(0x10, 'x-api-key', '').toString('hex', 0, 11)]
  ] as const) {
    const { decoder, send } = pair()
    for (let i = 0; i < 3; i++) t.equal(send(t, name, 'secret'), `${head}06${Buffer.from('secret').toString('hex')}`)
    t.same(table(decoder), [])
  }
})

t.test('a field that seldom repeats is not indexed', async t => {
  const { decoder, send } = pair()
  for (let i = 0; i < 2; i++) {
    t.equal(send(t, ':path', '/a'), '04022f61')
    t.equal(send(t, 'content-length', '7'), '0f0d0137')
    send(t, 'etag', '"a"', 'last-modified', 'then', 'if-none-match', '"a"', 'location', '/b', 'x-request-id', '1')
  }
  t.same(table(decoder), [])
})

t.test('a name whose values do not repeat leaves the table to others, until one does', async t => {
  const { decoder, send } = pair()
  send(t, ...host)
  for (let i = 0; i < 500; i++) send(t, 'x-unique', `${i}`)
  t.ok(table(decoder).length < 50)
  t.same(table(decoder).at(-1), host)
  const blocks = Array.from({ length: 20 }, () => send(t, 'x-unique', 'same'))
  t.equal(blocks.at(-1)?.length, 2)
  // Values in turn that all repeat, as of the clients of a proxy.
  const agents = Array.from({ length: 10 }, (_, i) => `agent ${i}`)
  for (let round = 0; round < 30; round++) for (const agent of agents) send(t, 'user-agent', agent)
  t.same(
    agents.filter(agent => send(t, 'user-agent', agent).length > 2),
    []
  )
})

t.test('a name of the dynamic table is an index though its value is not indexed', async t => {
  const { send } = pair()
  for (let i = 0; i < 5; i++) send(t, 'x-unique', `${i}`)
  t.equal(send(t, 'x-unique', 'a'), '0f2f0161')
})

t.test('a field that would take more than half of the table is not indexed', async t => {
  const { decoder, send } = pair()
  send(t, ...host)
  send(t, 'x', 'v'.repeat(2_048 - 32))
  t.same(table(decoder), [host])
  const half = ['x', 'v'.repeat(2_048 - 33)] as const
  send(t, ...half)
  t.same(table(decoder), [half, host])
})

t.test('of the other side’s table 4,096 octets are used at most', async t => {
  const { encoder, send } = pair()
  encoder.setTableSize(65_536)
  t.equal(send(t, ':method', 'GET'), '82', 'which is no change')
})

t.test('a change of the table’s size is announced once, by the next block', async t => {
  const { encoder, decoder, send } = pair()
  send(t, ...host)
  encoder.setTableSize(100)
  t.equal(send(t, ':method', 'GET', ...host), '3f4582be')
  t.equal(send(t, ':method', 'GET'), '82')
  encoder.setTableSize(4_096)
  t.equal(send(t, ':method', 'GET', ...host), '3fe11f82be')
  t.same(table(decoder), [host])
})

t.test('of several changes the smallest is announced, and the last', async t => {
  const { encoder, decoder, send } = pair()
  send(t, ...host)
  for (const size of [200, 0, 50, 4_096]) encoder.setTableSize(size)
  t.equal(send(t, ':method', 'GET'), '203fe11f82')
  t.same(table(decoder), [])
  for (const size of [10, 20]) encoder.setTableSize(size)
  t.equal(send(t, ':method', 'GET'), '2a3482')
  for (const size of [30, 20]) encoder.setTableSize(size)
  t.equal(send(t, ':method', 'GET'), '82', 'which is no change')
})

t.test('a table of size 0 holds nothing', async t => {
  const { encoder, send } = pair()
  encoder.setTableSize(0)
  t.equal(send(t, 'server', 'a'), '200f270161')
  t.equal(send(t, 'server', 'a'), '0f270161')
})

t.test('a block stays as it is while others are encoded', async t => {
  const encoder = new Encoder()
  const blocks = Array.from({ length: 3_000 }, (_, i) => encoder.encode([':path', `/${'p'.repeat(i % 60)}/${i}`]))
  for (const [i, block] of blocks.entries()) {
    const fields = new Decoder(4_096).decode(block, plenty)
    if (fields?.[1] !== `/${'p'.repeat(i % 60)}/${i}`) t.fail(`block ${i}`)
  }
  t.pass()
})

t.test('a block of any size is encoded', async t => {
  const { send } = pair()
  for (const length of [126, 127, 128, 254, 255, 4_000, 4_090, 16_384, 100_000]) {
    send(t, ':path', 'p'.repeat(length), 'n'.repeat(length), '\xff'.repeat(length))
  }
  send(t, ...Array.from({ length: 20_000 }, (_, i) => `field-${i >> 1}`))
  t.equal(send(t), '')
})

t.test('whatever is encoded, and however large the table, the other side decodes it', async t => {
  const text = (maxLength: number) => fc.uint8Array({ maxLength }).map(octets => Buffer.from(octets).toString('latin1'))
  const name = fc.oneof(fc.constantFrom(':path', ':status', 'cookie', 'server', 'date', 'a', 'b', 'x-c'), text(20))
  const value = fc.oneof(fc.constantFrom('', '/', '200', '404', 'x', 'y', 'z'.repeat(900)), text(40), text(300))
  const block = fc.array(fc.tuple(name, value), { maxLength: 30 }).map(fields => fields.flat())
  const change = fc.oneof(fc.constantFrom(0, 64, 1_000, 4_096), fc.nat(5_000))
  const step = fc.record({ block, changes: fc.array(change, { maxLength: 2 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const encoder = new Encoder()
      const decoder = new Decoder(4_096)
      for (const { block, changes } of steps) {
        for (const size of changes) encoder.setTableSize(size)
        const found = decoder.decode(encoder.encode(block), plenty)
        if (found?.length !== block.length || found.some((text, i) => text !== block[i])) return false
        if (size(table(decoder)) > Math.min(changes.at(-1) ?? 4_096, 4_096)) return false
      }
      return true
    }),
    { numRuns: 300 }
  )
  t.pass()
})

t.test('an encoder may be announced a table before its first block', async t => {
  const encoder = new Encoder()
  encoder.setTableSize(0)
  t.same(encoder.encode([':method', 'GET']), hex('2082'))
})
