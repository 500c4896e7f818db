import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../plugins/proxy-protocol/crc32c.js'
import { readExtensions } from '../../plugins/proxy-protocol/extensions.js'
import { type Header, isHeader, longest, parse } from '../../plugins/proxy-protocol/header.js'
import { proxyHeader } from '../../src/transport/proxy-header.js'

const v4 = { remoteAddress: '192.0.2.1', remotePort: 56_324, localAddress: '192.0.2.2', localPort: 443 }
const v6 = { remoteAddress: '2001:db8::1', remotePort: 1, localAddress: '::1', localPort: 65_535 }
const mapped = { ...v4, remoteAddress: '::ffff:192.0.2.1' }

const line = (text: string) => Buffer.from(`${text}\r\n`)
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** Of version 2; the length is that of the rest. */
const binary = (kind: number, protocol: number, rest = Buffer.alloc(0)) =>
  Buffer.concat([signature, Buffer.from([kind, protocol, rest.length >> 8, rest.length & 255]), rest])
const extension = (type: number, value: Buffer | string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 255]), bytes])
}
const addresses = Buffer.from('c0000201c0000202dc0401bb', 'hex')

const end = (address: string, port: number, family: string) => ({ address, port, family })
const ends = {
  client: end('192.0.2.1', 56_324, 'IPv4'),
  server: end('192.0.2.2', 443, 'IPv4')
}

const good: [string, Buffer, Partial<Header>][] = [
  ['version 1, IPv4', line('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443'), { version: 1, ...(ends as object) }],
  [
    'version 1, IPv6',
    line('PROXY TCP6 2001:DB8:0::1 ::ffff:192.0.2.2 0 65535'),
    { client: end('2001:db8::1', 0, 'IPv6'), server: end('::ffff:192.0.2.2', 65_535, 'IPv6') } as object
  ],
  ['version 1, nothing known', line('PROXY UNKNOWN'), { client: undefined }],
  ['version 1, something else', line('PROXY UNKNOWN ffff:f...f:ffff 1 2'), { client: undefined }],
  ['version 2, IPv4', binary(0x21, 0x11, addresses), { version: 2, ...(ends as object) }],
  ['version 2, UDP', binary(0x21, 0x12, addresses), { client: undefined }],
  [
    'version 2, IPv6',
    binary(0x21, 0x21, Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(20)}ffffc0000202000101bb`, 'hex')),
    { client: end('2001:db8::1', 1, 'IPv6'), server: end('::ffff:192.0.2.2', 443, 'IPv6') } as object
  ],
  ['version 2, a socket file', binary(0x21, 0x31, Buffer.alloc(216)), { client: undefined }],
  ['version 2, LOCAL with whatever', binary(0x20, 0xff, Buffer.from('nonsense')), { client: undefined }],
  ['version 2, UNSPEC', binary(0x21, 0, Buffer.from('nonsense')), { client: undefined }]
]

t.test('a header is read, whatever comes behind it, and not before it is complete', async t => {
  for (const [name, bytes, expected] of good) {
    t.match(parse(bytes), { ...expected, length: bytes.length }, name)
    t.match(parse(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')])), { ...expected, length: bytes.length })
    for (let part = 0; part < bytes.length; part++) {
      if (parse(bytes.subarray(0, part)) !== undefined) t.fail(`${name}: ${part} bytes of it`)
      if (!isHeader(bytes.subarray(0, part))) t.fail(`${name}: ${part} bytes of it`)
    }
  }
})

const bad: [string, Buffer, string][] = [
  ['a request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'no header'],
  ['another method', Buffer.from('PROPFIND / HTTP/1.1'), 'no header'],
  ['lower case', line('PROXY tcp4 192.0.2.1 192.0.2.2 1 2'), 'a line that cannot be read'],
  ['two spaces', line('PROXY TCP4  192.0.2.1 192.0.2.2 1 2'), 'a line that cannot be read'],
  ['a port missing', line('PROXY TCP4 192.0.2.1 192.0.2.2 1'), 'a line that cannot be read'],
  ['a space behind', line('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 '), 'a line that cannot be read'],
  ['a bare LF', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nGET /\r\n'), 'a line that cannot be read'],
  ['a leading zero', line('PROXY TCP4 192.0.2.01 192.0.2.2 1 2'), 'an address that cannot be read'],
  ['a port with one', line('PROXY TCP4 192.0.2.1 192.0.2.2 01 2'), 'an address that cannot be read'],
  ['a port too large', line('PROXY TCP4 192.0.2.1 192.0.2.2 65536 2'), 'an address that cannot be read'],
  ['another family', line('PROXY TCP4 ::1 ::1 1 2'), 'an address that cannot be read'],
  ['a line without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`), 'a line that does not end'],
  ['version 3', binary(0x31, 0x11, addresses), 'version 3'],
  ['another command', binary(0x22, 0x11, addresses), 'command 2'],
  ['another family', binary(0x21, 0x41, addresses), 'protocol 65'],
  ['another transport', binary(0x21, 0x13, addresses), 'protocol 19'],
  ['addresses too short', binary(0x21, 0x21, addresses), 'addresses that are cut off'],
  ['too long', binary(0x21, 0x11, Buffer.alloc(longest)).subarray(0, 16), `${longest + 16} bytes`],
  [
    'an extension without length',
    binary(0x21, 0x11, Buffer.concat([addresses, Buffer.from([4, 0])])),
    'an extension that is cut off'
  ],
  [
    'an extension too long',
    binary(0x21, 0x11, Buffer.concat([addresses, Buffer.from([4, 0, 2, 0])])),
    'an extension that is cut off'
  ]
]

t.test('what is not well-formed is refused', async t => {
  for (const [name, bytes, message] of bad) t.throws(() => parse(bytes), { message }, name)
})

t.test('a checksum is verified where there is one', async t => {
  // Of the bytes "123456789", as the catalogues of checksums have it.
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  const bytes = binary(0x21, 0x11, Buffer.concat([addresses, extension(5, 'id'), extension(3, Buffer.alloc(4))]))
  bytes.writeUInt32BE(crc32c(bytes), bytes.length - 4)
  t.match(parse(bytes), ends)
  for (const index of [18, 28, bytes.length - 1]) {
    const wrong = Buffer.from(bytes)
    wrong[index] = (wrong[index] as number) ^ 1
    t.throws(() => parse(wrong), `byte ${index}`)
  }
  const short = binary(0x21, 0x11, Buffer.concat([addresses, extension(3, 'abc')]))
  t.throws(() => parse(short), { message: 'a wrong checksum' })
})

t.test('extensions tell of the client', async t => {
  const tls = Buffer.concat([
    Buffer.from([0b111, 0, 0, 0, 0]),
    extension(0x21, 'TLSv1.3'),
    extension(0x22, 'someone'),
    extension(0x23, 'TLS_AES_128_GCM_SHA256')
  ])
  const all = [
    extension(1, 'h2'),
    extension(2, 'ü.example'),
    extension(4, '   '),
    extension(5, 'id'),
    extension(0x20, tls)
  ]
  const header = parse(binary(0x21, 0x11, Buffer.concat([addresses, ...all]))) as Header
  t.same(readExtensions(header.extensions), {
    alpn: 'h2',
    authority: 'ü.example',
    uniqueId: Buffer.from('id'),
    tls: { version: 'TLSv1.3', commonName: 'someone', cipher: 'TLS_AES_128_GCM_SHA256', verified: true }
  })
  const unverified = Buffer.from([0b111, 0, 0, 0, 1, 0x21, 0, 9])
  t.same(readExtensions(extension(0x20, unverified)), { tls: { verified: false } })
  const without = Buffer.from([0b001, 0, 0, 0, 0])
  t.same(readExtensions(extension(0x20, without)), { tls: { verified: false } })
})

t.test('no bytes whatever make it read beyond them', async t => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  const start = fc.constantFrom(
    signature,
    Buffer.from('PROXY '),
    binary(0x21, 0x11, addresses).subarray(0, 16),
    Buffer.alloc(0)
  )
  fc.assert(
    fc.property(start, bytes, (start, rest) => {
      const input = Buffer.concat([start, rest])
      let header: Header | undefined
      try {
        header = parse(input)
      } catch (error) {
        return !(error instanceof RangeError || error instanceof TypeError)
      }
      if (header === undefined) return input.length < longest
      readExtensions(header.extensions)
      return header.length <= input.length
    }),
    { numRuns: 2_000 }
  )
})

t.test('what the gateway sends is what it reads', async t => {
  for (const version of [1, 2] as const) {
    t.match(parse(proxyHeader(version, v4)), { version, ...ends })
    t.match(parse(proxyHeader(version, mapped)), { version, ...ends })
    t.match(parse(proxyHeader(version, v6)), {
      client: end('2001:db8::1', 1, 'IPv6'),
      server: end('::1', 65_535, 'IPv6')
    })
    t.match(parse(proxyHeader(version, { ...v4, remoteAddress: '2001:db8::1%eth0' })), {
      client: end('2001:db8::1', 56_324, 'IPv6'),
      server: end('::ffff:192.0.2.2', 443, 'IPv6')
    })
    t.equal(parse(proxyHeader(version, undefined))?.client, undefined)
    t.equal(parse(proxyHeader(version, {}))?.client, undefined, 'a socket file')
  }
  t.equal(proxyHeader(1, v4).toString(), 'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n')
  t.same(proxyHeader(2, v4), binary(0x21, 0x11, addresses))
  t.same(proxyHeader(2, undefined), binary(0x20, 0))
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), (remoteAddress, localAddress) => {
      const header = (version: 1 | 2) => parse(proxyHeader(version, { ...v6, remoteAddress, localAddress }))
      return header(1)?.client?.address === header(2)?.client?.address
    })
  )
})
