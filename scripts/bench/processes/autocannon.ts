import { createRequire } from 'node:module'
import type { Load } from '../load.js'
import type { Scenario } from '../scenarios.js'

/** The part of autocannon used here; the package has no types. */
interface Request {
  method: string
  path: string
  body?: Buffer
}
interface Options {
  url: string
  connections: number
  duration: number
  requests: (Request & { setupRequest?: (request: Request) => Request })[]
}
interface Result {
  duration: number
  requests: { total: number }
  latency: { p50: number; p99: number }
  errors: number
  non2xx: number
}

const autocannon: (options: Options) => Promise<Result> = createRequire(import.meta.url)('autocannon')

const { url, scenario, seconds }: { url: string; scenario: Scenario; seconds: number } = JSON.parse(
  process.argv[2] ?? ''
)

const { connections, path, urls, upload } = scenario
let count = 0
const result = await autocannon({
  url,
  connections,
  duration: seconds,
  requests: [
    {
      method: upload === undefined ? 'GET' : 'POST',
      path,
      ...(upload !== undefined && { body: Buffer.alloc(upload, 'x') }),
      ...(urls !== undefined && {
        setupRequest: (request: Request) => ({ ...request, path: `${path}/${(count++ % urls) + 1}` })
      })
    }
  ]
})

const load: Load = {
  requests: result.requests.total,
  seconds: result.duration,
  p50: result.latency.p50,
  p99: result.latency.p99,
  errors: result.errors + result.non2xx
}
process.stdout.write(JSON.stringify(load))
