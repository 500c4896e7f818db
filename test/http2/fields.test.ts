import t from 'tap'
import { fieldProblem, readRequest, readResponse } from '../../src/http2/fields.js'

const get = [':method', 'GET', ':scheme', 'https', ':authority', 'a', ':path', '/']
const without = (name: string) => get.filter((_, index) => get[index - (index % 2)] !== name)
const but = (name: string, value: string) => get.map((field, index) => (get[index - 1] === name ? value : field))

t.test('a request is taken apart', t => {
  t.same(readRequest([...get, 'te', 'trailers', 'x', '']), {
    method: 'GET',
    scheme: 'https',
    authority: 'a',
    path: '/',
    protocol: undefined,
    start: 8
  })
  t.match(readRequest([':method', 'CONNECT', ':authority', 'a:1']), { method: 'CONNECT', path: undefined })
  t.match(readRequest([...get.slice(2), ':method', 'CONNECT', ':protocol', 'websocket']), {
    protocol: 'websocket',
    start: 10
  })
  t.match(readRequest([':method', 'OPTIONS', ':scheme', 'http', ':path', '*']), { path: '*' })
  t.end()
})

t.test('a request that is malformed is told so', t => {
  const malformed: string[][] = [
    without(':method'),
    without(':scheme'),
    without(':path'),
    but(':path', ''),
    but(':path', 'a'),
    but(':path', '*'),
    but(':path', '/a b'),
    but(':path', '/\n'),
    but(':method', 'G T'),
    but(':method', ''),
    but(':authority', 'user@a'),
    [...get, ':path', '/'],
    [...get, ':status', '200'],
    [...get, ':unknown', '1'],
    [...get, 'x', '1', ':authority', 'b'],
    [...get, ':protocol', 'websocket'],
    [':method', 'CONNECT', ':authority', 'a', ':path', '/'],
    [':method', 'CONNECT'],
    [...get, 'X-Upper', '1'],
    [...get, '', '1'],
    [...get, 'x y', '1'],
    [...get, 'x', ' 1'],
    [...get, 'x', '1\t'],
    [...get, 'x', 'a\r\nb'],
    [...get, 'x', 'a\0b'],
    [...get, 'connection', 'close'],
    [...get, 'keep-alive', '1'],
    [...get, 'proxy-connection', '1'],
    [...get, 'transfer-encoding', 'chunked'],
    [...get, 'upgrade', 'h2c'],
    [...get, 'te', 'gzip']
  ]
  for (const fields of malformed) t.type(readRequest(fields), 'string', fields.slice(-2).join(': '))
  t.end()
})

t.test('an answer has one status of three digits, and no 101', t => {
  t.equal(readResponse([':status', '204', 'x', '1']), 204)
  for (const fields of [
    [],
    ['x', '1'],
    [':status', '20'],
    [':status', '2000'],
    [':status', '101'],
    [':status', '200', ':status', '200'],
    [':status', '200', 'Upper', '1']
  ]) {
    t.type(readResponse(fields), 'string', fields.join(': '))
  }
  t.end()
})

t.test('trailers hold no pseudo-fields', t => {
  t.equal(fieldProblem(['grpc-status', '0']), undefined)
  t.type(fieldProblem([':status', '200']), 'string')
  t.end()
})
