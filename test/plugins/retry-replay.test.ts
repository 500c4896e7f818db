import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import t from 'tap'
import { Replay } from '../../plugins/retry/index.js'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Reads until so many bytes have come, or the end; leaves the stream as a transport does. */
async function take(reader: Readable, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  await new Promise<void>((resolve, reject) => {
    const done = () => {
      reader.off('data', onData).off('end', done).off('error', reject).pause()
      resolve()
    }
    const onData = (chunk: Buffer) => {
      parts.push(chunk)
      size += chunk.length
      if (size >= bytes) done()
    }
    reader.on('data', onData).on('end', done).on('error', reject)
    reader.resume()
  })
  return Buffer.concat(parts)
}

/** A client's body, which arrives in these pieces. */
function bodyOf(pieces: Uint8Array[]): Readable {
  const source = new PassThrough()
  void (async () => {
    for (const piece of pieces) {
      source.write(piece)
      await turn()
    }
    source.end()
  })()
  return source
}

t.test('each attempt gets the same bytes, however they come and wherever one breaks off', async t => {
  const pieces = fc.array(fc.uint8Array({ minLength: 0, maxLength: 9_000 }), { maxLength: 8 })
  const stops = fc.array(fc.nat({ max: 40_000 }), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(pieces, stops, fc.boolean(), async (pieces, stops, declared) => {
      const whole = Buffer.concat(pieces)
      const replay = new Replay(bodyOf(pieces), 100_000, declared ? whole.length : undefined)
      for (const stop of stops) {
        const part = await take(replay.open(), stop)
        t.equal(Buffer.compare(part, whole.subarray(0, part.length)), 0)
        t.equal(replay.replayable, true)
      }
      t.equal(Buffer.compare(await buffer(replay.open()), whole), 0)
      t.equal(Buffer.compare(await buffer(replay.open()), whole), 0, 'also when all of it was kept')
    }),
    { seed: 4, numRuns: 60 }
  )
})

t.test('a body that becomes too long is sent once, whole, and not again', async t => {
  const whole = Buffer.alloc(300_000, 'abc')
  const replay = new Replay(Readable.from([whole.subarray(0, 100_000), whole.subarray(100_000)]), 100_000)
  const reader = replay.open()
  t.equal(replay.replayable, true)
  t.equal(Buffer.compare(await buffer(reader), whole), 0)
  t.equal(replay.replayable, false)
})

t.test('a body of exactly the limit can be sent again', async t => {
  for (const [size, replayable] of [
    [5_000, true],
    [5_001, false]
  ] as const) {
    const replay = new Replay(Readable.from([Buffer.alloc(size)]), 5_000)
    t.equal((await buffer(replay.open())).length, size)
    t.equal(replay.replayable, replayable)
  }
})

t.test('strings are the bytes they stand for', async t => {
  const source = new PassThrough({ encoding: 'utf8' })
  source.end('größe')
  const replay = new Replay(source, 100)
  t.equal((await take(replay.open(), 1)).toString(), 'größe')
  t.equal((await buffer(replay.open())).toString(), 'größe')
})

t.test('the source is not read before an attempt reads', async t => {
  let reads = 0
  const source = new Readable({
    read() {
      reads++
      this.push(reads === 1 ? 'x' : null)
    }
  })
  const reader = new Replay(source, 100).open()
  reader.on('error', () => {})
  await turn()
  t.equal(reads, 0)
  t.equal((await buffer(reader)).toString(), 'x')
})

t.test('whoever reads slowly slows the source down', async t => {
  let made = 0
  const source = new Readable({
    highWaterMark: 1_000,
    read() {
      made++
      this.push(made <= 1_000 ? Buffer.alloc(1_000) : null)
    }
  })
  const reader = new Replay(source, 10_000).open()
  const first = await take(reader, 1)
  for (let turns = 0; turns < 50; turns++) await turn()
  t.ok(made < 100, `${made} pieces were made`)
  t.equal(first.length + (await buffer(reader)).length, 1_000_000)
})

t.test('an error of the source reaches the attempt as it is', async t => {
  const source = new PassThrough()
  source.on('error', () => {})
  const replay = new Replay(source, 100)
  const reader = replay.open()
  const failed = once(reader.resume(), 'error')
  source.destroy(new Error('too large'))
  t.match(await failed, [{ message: 'too large' }])
  t.equal(replay.replayable, false)

  const late = replay.open()
  const again = once(late.resume(), 'error')
  t.match(await again, [{ message: 'too large' }], 'also an attempt that begins later')
})

t.test('a source that ends before its end ends the attempt without an error', async t => {
  const source = new PassThrough()
  const replay = new Replay(source, 100)
  const reader = replay.open()
  const closed = once(reader.resume(), 'close')
  source.write('half')
  await turn()
  source.destroy()
  await closed
  t.equal(reader.errored, null)
  t.equal(reader.readableEnded, false)
  t.equal(replay.replayable, false)
})

t.test('an attempt that nobody listens to may fail', async t => {
  const source = new PassThrough()
  source.on('error', () => {})
  const reader = new Replay(source, 100).open()
  reader.read(0)
  source.destroy(new Error('gone'))
  await new Promise(resolve => reader.once('close', resolve))
  t.match(reader.errored, { message: 'gone' })
})

t.test('the attempt before is cut off when another begins', async t => {
  const source = new PassThrough()
  const replay = new Replay(source, 100)
  const first = replay.open()
  source.write('one')
  await take(first, 3)
  const second = replay.open()
  t.equal(first.destroyed, true)
  source.end('two')
  t.equal((await buffer(second)).toString(), 'onetwo')
})

t.test('what dumps the source is not stopped by an attempt that is given up', async t => {
  const source = new PassThrough()
  const replay = new Replay(source, 10)
  const reader = replay.open()
  source.write('one')
  await take(reader, 3)
  // As node:http is rid of a body.
  source.removeAllListeners('data')
  source.resume()
  reader.destroy()
  source.end(Buffer.alloc(200_000))
  await once(source, 'end')
})

t.test('once no further attempt will be made, nothing is kept', async t => {
  const source = new PassThrough()
  const replay = new Replay(source, 100)
  const reader = replay.open()
  source.write('one')
  await take(reader, 3)
  replay.release()
  t.equal(replay.replayable, false)
  source.end('two')
  t.equal((await buffer(reader)).toString(), 'two')
})
