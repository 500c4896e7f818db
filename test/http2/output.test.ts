import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Output } from '../../src/http2/output.js'

async function pair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    client.destroy()
    peer.destroy()
    server.close()
  })
  return [client, peer]
}

/** Frames of all sizes, each filled with its number. */
function fill(output: Output): Buffer {
  const expected: Buffer[] = []
  for (let count = 0; count < 300; count++) {
    const size = (count * 997) % 16_385
    const payload = Buffer.alloc(size, count)
    const head = Buffer.from([size >> 16, size >> 8, size, count, 1, 0, 0, 0, 7])
    output.frame(size, count, 1, 7, 0)
    if (count % 3 === 0) output.append(payload, 0, size)
    else output.copy(payload, 0, size)
    expected.push(head, payload)
  }
  return Buffer.concat(expected)
}

async function read(peer: Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let left = size
  while (left > 0) {
    const [chunk] = (await once(peer, 'data')) as [Buffer]
    chunks.push(chunk)
    left -= chunk.length
  }
  return Buffer.concat(chunks)
}

t.test('frames leave as they were written, copied or not, in slabs that are used again', async t => {
  const [client, peer] = await pair(t)
  const output = new Output(client, () => {})
  for (let round = 0; round < 3; round++) {
    const expected = fill(output)
    t.equal(output.size, expected.length)
    const got = read(peer, expected.length)
    output.write()
    t.equal(output.size, 0)
    t.ok((await got).equals(expected))
    while (output.blocked) await new Promise(resolve => setImmediate(resolve))
  }
})

t.test('while a write is under way the next waits, and what is told to be written is', async t => {
  const [client, peer] = await pair(t)
  peer.pause()
  const told: string[] = []
  const free = new Promise<void>(resolve => {
    const output = new Output(client, () => {
      told.push('free')
      resolve()
    })
    // More than the system takes at once.
    while (!output.blocked) {
      const chunk = Buffer.alloc(1_000_000)
      output.append(chunk, 0, chunk.length)
      output.write()
    }
    output.afterwards(() => told.push('second'))
    output.append(Buffer.from('second'), 0, 6)
    output.write()
    t.equal(output.size, 6)
  })
  t.same(told, [])
  peer.resume()
  await free
  t.same(told, ['free'], 'what was added meanwhile is still to be written')
})
