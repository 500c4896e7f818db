/**
 * What a record costs in the store in memory, beside its bytes, and how long the garbage collector holds things up meanwhile.
 *
 * node --expose-gc dist/scripts/cache-memory.js --objects 1000000
 */
import { constants, type NodeGCPerformanceDetail, PerformanceObserver } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { cacheControl } from '../plugins/cache/directives.js'
import { headOf } from '../plugins/cache/head-of.js'
import { memory } from '../plugins/cache/index.js'

const { values } = parseArgs({ options: { objects: { type: 'string', default: '1000000' } } })
const objects = Number(values.objects)
const collect = globalThis.gc
if (collect === undefined) throw new Error('run it with node --expose-gc')

let longest = 0
let kind = 0
const observer = new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.duration <= longest) continue
    longest = entry.duration
    kind = (entry as unknown as { detail: NodeGCPerformanceDetail }).detail.kind ?? 0
  }
})

const rules = {
  ttl: 0,
  override: false,
  heuristic: { share: 0.1, longest: 1 },
  staleWhileRevalidate: 0,
  staleIfError: 0,
  cookies: false
}
const date = new Date().toUTCString()
const control = 'public, max-age=3600'
const size = 100
let payload = 0

function fields(at: number): Record<string, string> {
  return {
    date,
    'content-type': 'application/json',
    'content-length': String(size),
    'cache-control': control,
    etag: `"${at.toString(16).padStart(12, '0')}"`,
    'last-modified': date,
    server: 'example',
    'x-request-id': String(at)
  }
}

function held(): number {
  collect?.()
  collect?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const store = memory({ bytes: 8_000_000_000 })
const before = held()
observer.observe({ entryTypes: ['gc'] })
const turn = () => new Promise<void>(resolve => setImmediate(resolve))
for (let at = 0; at < objects; at++) {
  const url = `https://shop.example/products/${String(at).padStart(9, '0')}/details/of/it`
  const headers = fields(at)
  const now = Date.now()
  const arrived = {
    method: 'GET',
    url,
    tags: undefined,
    statusCode: 200,
    statusMessage: undefined,
    headers,
    requestTime: now,
    responseTime: now
  }
  const head = headOf(arrived, cacheControl(control), rules, true)
  void store.set(url, head, Buffer.alloc(size, at))
  payload += url.length + size
  for (const name in headers) payload += name.length + (headers[name] as string).length
  if (at % 100 === 0) await turn()
}
const filling = longest
longest = 0
for (let at = 0; at < objects; at++) {
  const url = `https://shop.example/products/${String((at * 7_919) % objects).padStart(9, '0')}/details/of/it`
  if (store.get(url) === undefined) throw new Error(`${url} is not there`)
  if (at % 100 === 0) await turn()
}
await turn()
const hitting = longest
observer.disconnect()
const used = held() - before
const { bytes = 0, records = 0 } = store.stats()
const each = (total: number) => Math.round(total / records)
console.log(`${records} objects of ${size} bytes, ${each(payload)} bytes each with URL and fields`)
console.log(
  `${each(used)} bytes of memory each, ${each(used - payload)} of them overhead; the store counts ${each(bytes)}`
)
console.log(
  `longest pause of the garbage collector: ${filling.toFixed(1)} ms while filling, ${hitting.toFixed(1)} ms while hitting (kind ${kind}, ${constants.NODE_PERFORMANCE_GC_MAJOR} is major)`
)
