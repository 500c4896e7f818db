import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Meta, Store } from '../../../../plugins/cache/index.js'

export const meta = (more: Partial<Meta> & { note?: string } = {}): Meta => ({
  kind: 'answer',
  url: 'https://a.example/a',
  tags: undefined,
  time: 1,
  until: Date.now() + 3_600_000,
  ...more
})

/** What a store has for a key. */
export async function read(store: Store, key: string): Promise<string | undefined> {
  const stored = await store.get(key)
  if (stored === undefined) return undefined
  const body = stored.body ?? (await buffer(stored.open(0, stored.size)))
  return body.toString()
}

/** What every store promises. */
export function contract(t: Test, open: () => Promise<Store> | Store, { counts = true } = {}): void {
  const test = (name: string, run: (t: Test, store: Store) => Promise<void>) =>
    t.test(name, async t => {
      const store = await open()
      t.teardown(() => store.close())
      await run(t, store)
    })

  test('what is set is found, until it is deleted', async (t, store) => {
    t.equal(await read(store, 'k'), undefined)
    await store.set('k', meta({ note: 'one', tags: ['a', 'b'] }), Buffer.from('body'))
    const stored = await store.get('k')
    t.match(stored, { size: 4, meta: { kind: 'answer', note: 'one', tags: ['a', 'b'], time: 1 } })
    t.equal(await read(store, 'k'), 'body')
    t.equal(await read(store, 'K'), undefined)
    await store.delete('k')
    await store.delete('k')
    t.equal(await read(store, 'k'), undefined)
  })

  test('a new record takes the place of the old one', async (t, store) => {
    await store.set('k', meta({ note: 'one' }), Buffer.from('one'))
    await store.set('k', meta({ note: 'two' }), Buffer.from('other'))
    t.match(await store.get('k'), { size: 5, meta: { note: 'two' } })
    t.equal(await read(store, 'k'), 'other')
  })

  test('bodies: empty, of any bytes, and a copy of what was a part of something larger', async (t, store) => {
    await store.set('empty', meta(), Buffer.alloc(0))
    t.equal((await store.get('empty'))?.size, 0)
    t.equal(await read(store, 'empty'), '')
    const large = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 256))
    await store.set('part', meta(), large.subarray(10, 20))
    await store.set('large', meta(), large)
    const stored = await store.get('large')
    t.ok((stored?.body ?? (await buffer(stored?.open(0, 100_000) as never))).equals(large))
    t.ok((await buffer(stored?.open(99_000, 99_256) as never)).equals(large.subarray(99_000, 99_256)))
    const part = await store.get('part')
    t.ok((part?.body ?? (await buffer(part?.open(0, 10) as never))).equals(large.subarray(10, 20)))
  })

  test('a record that is written is found when it is committed, and not before', async (t, store) => {
    for (const size of [undefined, 200_000]) {
      await store.delete('k')
      const writing = store.begin('k', meta({ note: 'first' }), size)
      for (let count = 0; count < 20; count++) await writing.write(Buffer.alloc(10_000, String(count % 10)))
      t.equal(await read(store, 'k'), undefined)
      await writing.commit(meta({ note: 'last' }))
      t.match(await store.get('k'), { size: 200_000, meta: { note: 'last' } })
      t.equal((await read(store, 'k'))?.slice(9_998, 10_002), '0011')
    }
  })

  test('what is aborted was never there', async (t, store) => {
    await store.set('k', meta(), Buffer.from('old'))
    const writing = store.begin('k', meta(), 100_000)
    await writing.write(Buffer.alloc(50_000))
    writing.abort()
    writing.abort()
    t.equal(await read(store, 'k'), 'old')
  })

  test('less than was announced is not stored', async (t, store) => {
    const writing = store.begin('k', meta(), 100_000)
    await writing.write(Buffer.alloc(50_000))
    await Promise.resolve(writing.commit()).catch(() => {})
    t.equal(await store.get('k'), undefined)
  })

  test('another meta on the same body', async (t, store) => {
    await store.set('k', meta({ note: 'one' }), Buffer.from('body'))
    await store.update('k', meta({ note: 'two', time: 7 }))
    t.match(await store.get('k'), { size: 4, meta: { note: 'two', time: 7 } })
    t.equal(await read(store, 'k'), 'body')
    await store.update('nothing', meta())
    t.equal(await store.get('nothing'), undefined)
    await store.delete('k')
    t.equal(await store.get('k'), undefined)
  })

  test('who has found a record can read it, whatever becomes of it', async (t, store) => {
    for (const size of [100, 300_000]) {
      const body = Buffer.alloc(size, 'a')
      await store.set('k', meta(), body)
      const stored = await store.get('k')
      const opened = stored?.body === undefined ? stored?.open(0, size) : undefined
      await store.set('k', meta(), Buffer.alloc(size, 'b'))
      await store.delete('k')
      const was = stored?.body ?? (await buffer(opened as never))
      t.ok(was.equals(body), `${size}`)
    }
  })

  test('writers of one key: the last that commits is found', async (t, store) => {
    const one = store.begin('k', meta(), undefined)
    const two = store.begin('k', meta(), undefined)
    await one.write(Buffer.from('one'))
    await two.write(Buffer.from('two'))
    await two.commit()
    t.equal(await read(store, 'k'), 'two')
    await one.commit()
    t.equal(await read(store, 'k'), 'one')
  })

  test('a sweep shows each record, and does as it is told', async (t, store) => {
    for (let count = 0; count < 30; count++)
      await store.set(`k${count}`, meta({ note: `${count}` }), Buffer.from(`${count}`))
    const seen: string[] = []
    await store.sweep((key, one) => {
      seen.push(key)
      const { note } = one as { note?: string }
      if (Number(note) % 3 === 0) return 'delete'
      return Number(note) % 3 === 1 ? meta({ note: 'told' }) : 'keep'
    })
    t.equal(new Set(seen).size, 30)
    t.equal(await store.get('k3'), undefined)
    t.match(await store.get('k4'), { meta: { note: 'told' } })
    t.equal(await read(store, 'k4'), '4')
    t.match(await store.get('k5'), { meta: { note: '5' } })
  })

  if (!counts) return
  test('it tells what it has', async (t, store) => {
    await store.set('a', meta(), Buffer.alloc(10_000))
    await store.set('b', meta(), Buffer.alloc(10_000))
    const { bytes, records } = store.stats()
    t.ok((bytes ?? 0) >= 20_000, `${bytes} bytes`)
    t.equal(records, 2)
  })
}
