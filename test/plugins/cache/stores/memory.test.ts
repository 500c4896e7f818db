import fc from 'fast-check'
import t from 'tap'
import { memory } from '../../../../plugins/cache/index.js'
import { S3Fifo } from '../../../../plugins/cache/stores/s3-fifo.js'
import { Slabs, type Tenant } from '../../../../plugins/cache/stores/slabs.js'
import { contract, meta, read } from './contract.js'

contract(t, () => memory())

t.test('never more bytes than it may have, and the last that was set is what is found', t => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 20_000 }), fc.boolean()), {
        maxLength: 300
      }),
      steps => {
        const bytes = 300_000
        const store = memory({ bytes })
        const last = new Map<string, number>()
        for (const [key, size, remove] of steps) {
          if (remove) {
            void store.delete(String(key))
            last.delete(String(key))
          } else {
            void store.set(String(key), meta(), Buffer.alloc(size, key))
            last.set(String(key), size)
          }
          if ((store.stats().bytes as number) > bytes) return false
          const found = store.get(String(key)) as { size: number } | undefined
          if (found !== undefined && found.size !== last.get(String(key))) return false
        }
        for (const [key, size] of last) {
          const found = store.get(key) as { body: Buffer; size: number } | undefined
          if (found !== undefined && (found.size !== size || !found.body.equals(Buffer.alloc(size, Number(key)))))
            return false
        }
        return true
      }
    )
  )
  t.end()
})

t.test('bodies that arrive have a part of it, and no more', async t => {
  const store = memory({ bytes: 1_000_000 })
  const one = store.begin('one', meta(), 90_000)
  const two = store.begin('two', meta(), 90_000)
  const three = store.begin('three', meta(), 90_000)
  for (const writing of [one, two, three]) await writing.write(Buffer.alloc(90_000))
  for (const writing of [one, two, three]) await writing.commit()
  t.ok(store.get('one'))
  t.ok(store.get('two'))
  t.equal(store.get('three'), undefined, 'it was given up, and harms nobody')
  const four = store.begin('four', meta(), 90_000)
  await four.write(Buffer.alloc(90_000))
  await four.commit()
  t.ok(store.get('four'), 'there is room again')
})

t.test('one record does not displace all others', async t => {
  const store = memory({ bytes: 1_000_000 })
  await store.set('small', meta(), Buffer.alloc(100))
  await store.set('k', meta(), Buffer.alloc(100))
  await store.set('k', meta(), Buffer.alloc(500_000))
  t.equal(store.get('k'), undefined, 'nor does the old one stay')
  t.equal((await read(store, 'small'))?.length, 100)
})

t.test('S3-FIFO: what is asked for once displaces nothing that is asked for often', t => {
  const store = memory({ bytes: 1_000_000 })
  const ask = (key: string) => {
    if (store.get(key) !== undefined) return true
    void store.set(key, meta(), Buffer.alloc(500))
    return false
  }
  const popular = Array.from({ length: 300 }, (_, at) => `p${at}`)
  for (let round = 0; round < 5; round++) popular.forEach(ask)
  for (let scan = 0; scan < 20_000; scan++) ask(`scan${scan}`)
  const kept = popular.filter(key => store.get(key) !== undefined).length
  t.ok(kept >= 295, `${kept} of 300 are still there`)
  t.ok(store.stats().evictions > 15_000)
  t.end()
})

t.test('S3-FIFO hits more than LRU on a trace with scans', t => {
  // A seeded generator: the same trace each time.
  let seed = 42
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 4_294_967_296
  }
  const trace: string[] = []
  for (let at = 0; at < 100_000; at++) {
    trace.push(at % 4 === 0 ? `scan${at}` : `z${Math.floor(10_000 ** random())}`)
  }
  const capacity = 500
  const lru = new Map<string, true>()
  let lruHits = 0
  for (const key of trace) {
    if (lru.delete(key)) lruHits++
    lru.set(key, true)
    if (lru.size > capacity) lru.delete(lru.keys().next().value as string)
  }
  const queue = new S3Fifo(capacity, capacity)
  const items = new Map<string, Parameters<S3Fifo['add']>[0] & { key: string }>()
  let hits = 0
  let hash = 1
  for (const key of trace) {
    const item = items.get(key)
    if (item !== undefined) {
      hits++
      if (item.uses < 3) item.uses++
      continue
    }
    const added = {
      key,
      before: undefined,
      behind: undefined,
      uses: 0,
      queue: undefined,
      bytes: 1,
      hash: (hash = (Math.imul(31, hash) + key.length) >>> 0)
    }
    items.set(key, added)
    queue.add(added)
    if (items.size > capacity) items.delete((queue.evict() as typeof added).key)
  }
  t.ok(hits > lruHits * 1.05, `${hits} to ${lruHits}`)
  t.end()
})

t.test('slabs: half of them is in use at least, and nothing moves under a reader', t => {
  const slabs = new Slabs()
  const tenants: Tenant[] = []
  let live = 0
  for (let at = 0; at < 2_000; at++) {
    const tenant: Tenant = { slab: undefined, left: false, offset: 0, length: 0 }
    slabs.put(tenant, Buffer.alloc(1_000, at))
    tenants.push(tenant)
    live += 1_000
  }
  const found = tenants[0]?.slab?.bytes.subarray(tenants[0].offset, tenants[0].offset + 1_000)
  tenants.forEach((tenant, at) => {
    if (at % 3 === 1) return
    slabs.remove(tenant)
    slabs.remove(tenant)
    live -= 1_000
  })
  t.ok(slabs.bytes <= live * 2 + 65_536, `${slabs.bytes} for ${live}`)
  for (const [at, { slab, offset, left }] of tenants.entries()) {
    if (!left && slab?.bytes[offset] !== at % 256) t.fail(`${at} has lost its bytes`)
  }
  t.ok(found?.equals(Buffer.alloc(1_000, 0)), 'what was found is as it was')
  t.end()
})

t.test('options', t => {
  t.throws(() => memory({ bytes: 1 }), {
    message: 'memory: option bytes is 1, but must be a whole number, at least 65536'
  })
  t.end()
})
