import { once } from 'node:events'
import { constants, createServer, connect as dial, type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2'
import { type AddressInfo, connect, createServer as listen } from 'node:net'
import t from 'tap'
import { Decoder } from '../../../src/http2/hpack/decoder.js'
import { Encoder } from '../../../src/http2/hpack/encoder.js'
import { plenty } from './blocks.js'
import { acknowledged, endOfHeaders, endOfStream, frame, frames, headers, preface, settings } from './frames.js'

// The other side is node:http2, which is nghttp2.

const none = Buffer.alloc(0)

/** Requests with fields that repeat, that do not, and that are secret. */
function request(i: number): string[] {
  const head = [
    ':method',
    i % 3 === 0 ? 'POST' : 'GET',
    ':scheme',
    'http',
    ':authority',
    'example.com',
    ':path',
    `/${i}`
  ]
  const fields = ['user-agent', `agent ${i % 4}`, 'x-unique', `~ÿ ${i ** 7}`, 'authorization', 'Basic secret']
  return [...head, ...fields, 'x-long', 'x'.repeat((i * 37) % 900)]
}

for (const tableSize of [4_096, 0, 300, 65_536]) {
  t.test(`a server with a table of ${tableSize} understands, and is understood`, async t => {
    const server = createServer({ settings: { headerTableSize: tableSize } })
    const seen: IncomingHttpHeaders[] = []
    server.on('stream', (stream, fields) => {
      seen.push(fields)
      const names = { server: 'origin', 'x-echo': fields['x-unique']!, 'x-agent': fields['user-agent']! }
      stream.respond(
        { ':status': 200 + (seen.length % 2) * 217, ...names, 'set-cookie': ['a=1', 'b=2'] },
        { endStream: true }
      )
    })
    await once(server.listen(0), 'listening')
    t.teardown(() => server.close())
    const socket = connect((server.address() as AddressInfo).port)
    t.teardown(() => socket.destroy())
    const encoder = new Encoder()
    const decoder = new Decoder(4_096)
    socket.write(preface)
    socket.write(frame({ type: settings, flags: 0, stream: 0, payload: none }))
    let sent = 0
    const send = () => {
      const flags = endOfHeaders | endOfStream
      const block = encoder.encode(request(sent))
      socket.write(frame({ type: headers, flags, stream: 1 + 2 * sent++, payload: block }))
    }
    let answered = 0
    for await (const { type, flags, payload } of frames(socket)) {
      if (type === settings && flags !== acknowledged) {
        for (let at = 0; at < payload.length; at += 6) {
          if (payload.readUInt16BE(at) === constants.NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
            encoder.setTableSize(payload.readUInt32BE(at + 2))
          }
        }
        socket.write(frame({ type: settings, flags: acknowledged, stream: 0, payload: none }))
        send()
      }
      if (type !== headers) continue
      const fields = decoder.decode(payload, plenty)!
      const wanted = Object.fromEntries(pairs(request(answered)))
      t.same(Object.fromEntries(Object.entries(seen[answered]!)), wanted)
      t.same(
        pairs(fields).filter(([name]) => name !== 'date'),
        [
          [':status', answered % 2 === 0 ? '417' : '200'],
          ['server', 'origin'],
          ['x-echo', wanted['x-unique']],
          ['x-agent', wanted['user-agent']],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2']
        ]
      )
      if (++answered === 40) break
      send()
    }
    t.equal(answered, 40)
  })
}

for (const tableSize of [4_096, 0, 300, 65_536]) {
  t.test(`a client is understood by a table of ${tableSize}, and understands`, async t => {
    const decoder = new Decoder(tableSize)
    const encoder = new Encoder()
    const seen: string[][] = []
    const server = listen(async socket => {
      const payload = Buffer.alloc(6)
      payload.writeUInt16BE(constants.NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
      payload.writeUInt32BE(tableSize, 2)
      socket.write(frame({ type: settings, flags: 0, stream: 0, payload }))
      for await (const { type, flags, stream, payload } of frames(socket)) {
        if (type === settings && flags !== acknowledged) {
          socket.write(frame({ type: settings, flags: acknowledged, stream: 0, payload: none }))
        }
        if (type !== headers) continue
        seen.push(decoder.decode(payload, plenty)!)
        const block = encoder.encode([
          ':status',
          '200',
          'server',
          'ours',
          'x-unique',
          `${stream}`,
          'etag',
          `"${stream}"`
        ])
        socket.write(frame({ type: headers, flags: endOfHeaders | endOfStream, stream, payload: block }))
      }
    })
    await once(server.listen(0), 'listening')
    t.teardown(() => server.close())
    const client = dial(`http://localhost:${(server.address() as AddressInfo).port}`)
    t.teardown(() => client.destroy())
    await once(client, 'remoteSettings')
    for (let i = 0; i < 40; i++) {
      const fields = Object.fromEntries(pairs(request(i)))
      const stream = client.request({ ...fields, [sensitiveHeaders]: ['authorization'] }, { endStream: true })
      const [found] = await once(stream, 'response')
      const id = `${2 * i + 1}`
      t.match(found, { ':status': 200, server: 'ours', 'x-unique': id, etag: `"${id}"` })
      t.same(Object.fromEntries(pairs(seen[i]!)), fields)
      stream.resume()
      await once(stream, 'close')
    }
  })
}

function pairs(fields: readonly string[]): [name: string, value: string][] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]!]] : []))
}
