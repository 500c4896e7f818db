import t from 'tap'
import { Chunked } from '../../src/transport/chunked.js'
import { Parser } from '../../src/transport/parser.js'

/** Reads the head in pieces of `size` bytes; tells where the body begins. */
function read(head: string, size = head.length, limit = 65_536): { parser: Parser; at: number } {
  const parser = new Parser(limit)
  const bytes = Buffer.from(head, 'latin1')
  for (let start = 0; start < bytes.length; start += size) {
    // The parser must not refer to bytes of a former read.
    const piece = Buffer.from(bytes.subarray(start, start + size))
    const at = parser.head(piece, 0, piece.length)
    piece.fill(0)
    if (at >= 0) return { parser, at: start + at }
  }
  return { parser, at: -1 }
}

const head =
  'HTTP/1.1 200 All right\r\nContent-Type: text/plain\r\nX-Own: \t a b \t\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nVary: a\r\nVary: b\r\nx-own: c\r\nETag: "1"\r\nEtag: "2"\r\nContent-Length: 3\r\nEmpty:\r\n\r\n'

t.test('a head is read the same wherever it is split', async t => {
  for (let size = 1; size <= head.length + 3; size++) {
    const { parser, at } = read(`${head}abc`, size)
    t.equal(at, head.length)
    t.equal(parser.statusCode, 200)
    t.equal(parser.statusMessage, 'All right')
    t.equal(parser.contentLength, 3)
    t.same(
      { ...parser.headers },
      {
        'content-type': 'text/plain',
        'x-own': 'a b, c',
        'set-cookie': ['a=1', 'b=2'],
        vary: 'a, b',
        etag: '"1"',
        'content-length': '3',
        empty: ''
      }
    )
  }
})

const malformed: Record<string, string> = {
  'another protocol': 'ICY 200 OK\r\n\r\n',
  'HTTP/2': 'HTTP/2.0 200 OK\r\n\r\n',
  'HTTP/1.2': 'HTTP/1.2 200 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
  'a status below 100': 'HTTP/1.1 099 OK\r\n\r\n',
  'a status above 599': 'HTTP/1.1 600 OK\r\n\r\n',
  'two spaces before the status': 'HTTP/1.1  200 OK\r\n\r\n',
  'a control character in the reason': 'HTTP/1.1 200 O\x01K\r\n\r\n',
  'bare LF behind the status line': 'HTTP/1.1 200 OK\nA: b\n\n',
  'bare LF behind a field': 'HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n',
  'bare CR in a value': 'HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n',
  'bare CR at the end': 'HTTP/1.1 200 OK\r\nA: b\r\n\rx',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n',
  'DEL in a value': 'HTTP/1.1 200 OK\r\nA: b\x7fc\r\n\r\n',
  'a folded line': 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
  'white space before the first field': 'HTTP/1.1 200 OK\r\n A: b\r\n\r\n',
  'white space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n',
  'a name that is not a token': 'HTTP/1.1 200 OK\r\nA(b): c\r\n\r\n',
  'an empty name': 'HTTP/1.1 200 OK\r\n: c\r\n\r\n',
  'a line without a colon': 'HTTP/1.1 200 OK\r\nabc\r\n\r\n',
  'a field named __proto__': 'HTTP/1.1 200 OK\r\n__proto__: c\r\n\r\n',
  'length and transfer coding': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
  'an unknown transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'two transfer codings': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
  'an obscured transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n',
  'a transfer coding in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n',
  'a list of two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n',
  'a signed length': 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n',
  'a hexadecimal length': 'HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\n',
  'an empty length': 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n',
  'a length above 2^53-1': 'HTTP/1.1 200 OK\r\nContent-Length: 9007199254740992\r\n\r\n',
  'more than 200 fields': `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(201)}\r\n`
}

t.test('what is not well-formed is refused, wherever it is split', async t => {
  for (const [what, bytes] of Object.entries(malformed)) {
    t.throws(() => read(bytes), { code: 'GTW_ERR_BAD_RESPONSE' }, what)
    t.throws(() => read(bytes, 1), { code: 'GTW_ERR_BAD_RESPONSE' }, `${what}, byte by byte`)
    t.throws(() => read(bytes, 7), { code: 'GTW_ERR_BAD_RESPONSE' }, `${what}, in sevens`)
  }
})

t.test('a head larger than its limit is refused, one as large is not', async t => {
  for (const size of [1, 7, 1_000]) {
    t.equal(read(`${head}abc`, size, head.length).at, head.length)
    t.throws(() => read(`${head}abc`, size, head.length - 1), { code: 'GTW_ERR_RESPONSE_HEAD_TOO_LARGE' })
  }
})

t.test('a missing reason and its missing space are accepted', async t => {
  t.equal(read('HTTP/1.1 404\r\n\r\n').parser.statusCode, 404)
  t.equal(read('HTTP/1.1 404 \r\n\r\n').parser.statusMessage, '')
})

t.test('equal lengths count as one', async t => {
  const { parser } = read('HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\n')
  t.equal(parser.contentLength, 3)
  t.equal(parser.headers['content-length'], '3')
})

t.test('fields for this hop are dropped', async t => {
  const { parser } = read(
    'HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: a\r\nTE: a\r\nUpgrade: h2c\r\nTrailer: a\r\nProxy-Connection: a\r\nHTTP2-Settings: a\r\nX-End: 1\r\n\r\n'
  )
  t.same({ ...parser.headers }, { 'x-end': '1' })
  t.equal(parser.persistent, false)
  t.equal(parser.keepAlive, 5_000)
})

t.test('Connection does not take away what the answer needs', async t => {
  const { parser } = read(
    'HTTP/1.1 200 OK\r\nConnection: content-length, set-cookie, cache-control, content-type\r\nContent-Length: 3\r\nSet-Cookie: a\r\nCache-Control: private\r\nContent-Type: a/b\r\n\r\n'
  )
  t.same(Object.keys(parser.headers).sort(), ['cache-control', 'content-length', 'content-type', 'set-cookie'])
})

t.test('Upgrade is kept with 426, Trailer with chunks', async t => {
  t.equal(read('HTTP/1.1 426 a\r\nUpgrade: websocket\r\n\r\n').parser.headers.upgrade, 'websocket')
  t.equal(read('HTTP/1.1 200 a\r\nTrailer: b\r\nTransfer-Encoding: Chunked\r\n\r\n').parser.headers.trailer, 'b')
})

t.test('names of Object.prototype are ordinary fields', async t => {
  const { parser } = read('HTTP/1.1 200 OK\r\nconstructor: a\r\ntoString: b\r\n\r\n')
  t.equal(parser.headers.constructor as unknown, 'a')
  t.equal(parser.headers.tostring, 'b')
})

function decode(body: string, size = body.length): { content: string; at: number } {
  const chunked = new Chunked()
  const bytes = Buffer.from(body, 'latin1')
  let content = ''
  for (let start = 0; start < bytes.length; start += size) {
    const end = Math.min(bytes.length, start + size)
    const output = Buffer.alloc(end - start)
    const at = chunked.decode(bytes, start, end, output)
    content += output.toString('latin1', 0, chunked.length)
    if (chunked.done) return { content, at }
  }
  return { content, at: -1 }
}

t.test('chunks are put together wherever they are split', async t => {
  const body = '5\r\nhello\r\n00A;a=b;c="d"\r\n0123456789\r\n1 ;x\r\n!\r\n0\r\n\r\n'
  for (let size = 1; size <= body.length; size++) {
    t.same(decode(body, size), { content: 'hello0123456789!', at: body.length - 2 })
  }
})

const malformedChunks: Record<string, string> = {
  'no size': '\r\nhello\r\n0\r\n\r\n',
  'a size that is not hexadecimal': '5g\r\nhello\r\n',
  'a signed size': '-5\r\nhello\r\n',
  'a size with 0x': '0x5\r\nhello\r\n',
  'a space before the size': ' 5\r\nhello\r\n',
  'a space behind the size': '5 \r\nhello\r\n',
  'a size of 14 digits': '00000000000005\r\nhello\r\n',
  'bare LF behind the size': '5\nhello\r\n',
  'bare CR behind the size': '5\rhello\r\n',
  'a longer chunk': '4\r\nhello\r\n',
  'bare LF behind a chunk': '5\r\nhello\n0\r\n',
  'bare CR behind a chunk': '5\r\nhello\r0\r\n',
  'bare LF in an extension': '5;a\nhello\r\n',
  'NUL in an extension': '5;\0\r\nhello\r\n',
  'extensions without end': `5;${'a'.repeat(20_000)}\r\nhello\r\n`
}

t.test('chunks that are not well-formed are refused', async t => {
  for (const [what, bytes] of Object.entries(malformedChunks)) {
    t.throws(() => decode(bytes), { code: 'GTW_ERR_BAD_RESPONSE' }, what)
    t.throws(() => decode(bytes, 1), { code: 'GTW_ERR_BAD_RESPONSE' }, `${what}, byte by byte`)
  }
})
