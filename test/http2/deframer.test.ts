import t from 'tap'
import { Deframer } from '../../src/http2/deframer.js'
import { DATA, END_STREAM, HEADERS, PADDED, PING, SETTINGS } from '../../src/http2/frames.js'
import { frame } from './raw.js'

class Sink {
  told: string[] = []
  content = ''

  dataHead(flags: number, id: number, length: number): void {
    this.told.push(`data ${flags} ${id} ${length}`)
    this.content = ''
  }

  data(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.content += buffer.toString('latin1', start, end)
    if (last) this.told.push(this.content)
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    this.told.push(`${type} ${flags} ${id} ${buffer.toString('latin1', start, end)}`)
  }
}

const bytes = Buffer.concat([
  frame(SETTINGS, 0, 0),
  frame(HEADERS, 4, 1, Buffer.from('fields')),
  frame(DATA, 0, 1, Buffer.from('hello')),
  frame(DATA, PADDED, 1, Buffer.from('\x03abc\0\0\0', 'latin1')),
  frame(DATA, PADDED, 1, Buffer.from('\x02\0\0', 'latin1')),
  frame(0xfa, 1, 3, Buffer.from('unknown')),
  frame(0xfb, 0, 0),
  frame(DATA, END_STREAM, 1),
  frame(PING, 0, 0, Buffer.from('12345678'))
])
const expected = [
  '4 0 0 ',
  '1 4 1 fields',
  'data 0 1 5',
  'hello',
  'data 8 1 7',
  'abc',
  'data 8 1 3',
  '',
  '250 1 3 ',
  '251 0 0 ',
  'data 1 1 0',
  '',
  '6 0 0 12345678'
]

t.test('frames are found wherever reads split them', t => {
  for (let first = 0; first <= bytes.length; first++) {
    const sink = new Sink()
    const deframer = new Deframer(16_384, sink)
    deframer.read(bytes.subarray(0, first), 0)
    deframer.read(bytes.subarray(first), 0)
    if (sink.told.join('|') !== expected.join('|')) t.same(sink.told, expected, `split at ${first}`)
  }
  const sink = new Sink()
  const deframer = new Deframer(16_384, sink)
  for (let at = 0; at < bytes.length; at++) deframer.read(bytes.subarray(at, at + 1), 0)
  t.same(sink.told, expected, 'byte by byte')
  t.end()
})

t.test('a frame beyond the limit is refused by its head', t => {
  const deframer = new Deframer(16_384, new Sink())
  t.throws(() => deframer.read(Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]), 0), { code: 6 })
  t.end()
})

t.test('padding that is longer than the payload is refused', t => {
  const deframer = new Deframer(16_384, new Sink())
  t.throws(() => deframer.read(frame(DATA, PADDED, 1, [2, 0]), 0), { code: 1 })
  t.throws(() => new Deframer(16_384, new Sink()).read(frame(DATA, PADDED, 1), 0), { code: 6 })
  t.end()
})
