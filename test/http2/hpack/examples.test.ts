import t from 'tap'
import { Decoder } from '../../../src/http2/hpack/decoder.js'
import { encodeHuffman, huffmanLength } from '../../../src/http2/hpack/huffman.js'
import { Reader } from '../../../src/http2/hpack/reader.js'
import { writeInteger } from '../../../src/http2/hpack/writer.js'
import { hex, plenty, size, table } from './blocks.js'

// RFC 7541 appendix C.

t.test('C.1: integers', async t => {
  for (const [value, mask, encoded] of [
    [10, 0x1f, '0a'],
    [1337, 0x1f, '1f9a0a'],
    [42, 0xff, '2a']
  ] as const) {
    const octets = Buffer.alloc(6)
    const end = writeInteger(octets, 0, 0, mask, value)
    t.equal(octets.toString('hex', 0, end), encoded)
    t.equal(new Reader(hex(encoded)).integer(mask), value)
  }
})

t.test('C.2: each representation', async t => {
  for (const [block, fields, held] of [
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header'], 1],
    ['040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path'], 0],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret'], 0],
    ['82', [':method', 'GET'], 0]
  ] as const) {
    const decoder = new Decoder(4_096)
    t.same(decoder.decode(hex(block), plenty), fields)
    t.same(table(decoder), held === 0 ? [] : [fields])
  }
})

const authority = [':authority', 'www.example.com'] as const
const noCache = ['cache-control', 'no-cache'] as const
const custom = ['custom-key', 'custom-value'] as const
const http = [':method', 'GET', ':scheme', 'http', ':path', '/', ...authority]
const https = [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ...authority]
const requests = [
  { fields: http, table: [authority], size: 57 },
  { fields: [...http, ...noCache], table: [noCache, authority], size: 110 },
  { fields: [...https, ...custom], table: [custom, noCache, authority], size: 164 }
]

const redirect = [':status', '302'] as const
const again = [':status', '307'] as const
const control = ['cache-control', 'private'] as const
const date = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'] as const
const later = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'] as const
const location = ['location', 'https://www.example.com'] as const
const gzip = ['content-encoding', 'gzip'] as const
const cookie = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'] as const
const responses = [
  { fields: [...redirect, ...control, ...date, ...location], table: [location, date, control, redirect], size: 222 },
  { fields: [...again, ...control, ...date, ...location], table: [again, location, date, control], size: 222 },
  {
    fields: [':status', '200', ...control, ...later, ...location, ...gzip, ...cookie],
    table: [cookie, gzip, later],
    size: 215
  }
]

for (const { title, tableSize, blocks, steps } of [
  {
    title: 'C.3: requests as plain text',
    tableSize: 4_096,
    steps: requests,
    blocks: [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'
    ]
  },
  {
    title: 'C.4: requests as Huffman code',
    tableSize: 4_096,
    steps: requests,
    blocks: [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'
    ]
  },
  {
    title: 'C.5: responses as plain text, with evictions',
    tableSize: 256,
    steps: responses,
    blocks: [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
       546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`
    ]
  },
  {
    title: 'C.6: responses as Huffman code, with evictions',
    tableSize: 256,
    steps: responses,
    blocks: [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`
    ]
  }
]) {
  t.test(title, async t => {
    const decoder = new Decoder(tableSize)
    // What the other side does once it has our settings, and the examples leave out: 256 octets.
    if (tableSize === 256) t.same(decoder.decode(hex('3fe101'), plenty), [])
    for (const [i, step] of steps.entries()) {
      t.same(decoder.decode(hex(blocks[i]!), plenty), step.fields)
      t.same(table(decoder), step.table)
      t.equal(size(table(decoder)), step.size)
    }
  })
}

t.test('C.4 and C.6: the texts are encoded to the same octets', async t => {
  for (const [text, encoded] of [
    ['www.example.com', 'f1e3 c2e5 f23a 6ba0 ab90 f4ff'],
    ['no-cache', 'a8eb 1064 9cbf'],
    ['custom-value', '25a8 49e9 5bb8 e8b4 bf'],
    ['302', '6402'],
    [later[1], 'd07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff'],
    [
      cookie[1],
      '94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07'
    ]
  ] as const) {
    const octets = Buffer.alloc(text.length)
    const end = encodeHuffman(text, octets, 0)
    t.equal(octets.toString('hex', 0, end), hex(encoded).toString('hex'))
    t.equal(huffmanLength(text), end)
  }
})
