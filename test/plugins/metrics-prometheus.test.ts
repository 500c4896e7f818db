import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { balancer, hedge, limits, proxy, retry, upstream } from '../../plugins/index.js'
import metrics from '../../plugins/metrics/index.js'
import { gateway } from '../../src/index.js'
import { ask } from '../ask.js'
import { listen, origin } from '../helper.js'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../../../plugins/metrics/', import.meta.url))
const isInstalled = (program: string) => spawnSync(program, ['--version']).error === undefined
const skip = isInstalled('prometheus') && isInstalled('promtool') ? false : 'prometheus is not installed'

/** A gateway that has seen a bit of everything. */
async function busy(t: Test): Promise<number> {
  const good = await origin(t, (_request, response) => void response.end('good'))
  const silent = await origin(t, () => {})
  const breaking = await origin(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 9 })
    response.write('half', () => response.destroy())
  })
  const refusing = await nobody()
  const app = gateway()
  app.register(metrics, { path: '/metrics' })
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [refusing, good] })
      scope.register(balancer, { pick: candidates => candidates[0] as (typeof candidates)[number] })
      scope.register(limits, { endpoint: { pending: 10 } })
      scope.register(retry)
      scope.register(proxy)
    },
    { prefix: '/retried' }
  )
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [silent, good] })
      scope.register(balancer, { pick: candidates => candidates[0] as (typeof candidates)[number] })
      scope.register(hedge, { delay: 1 })
      scope.register(proxy)
      scope.addHook('onReady', async () => scope.upstream.endpoints[0]?.block('health', { detail: 'for a moment' }))
      scope.addHook('onListen', async () => scope.upstream.endpoints[0]?.unblock('health'))
    },
    { prefix: '/hedged' }
  )
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [refusing] })
      scope.register(proxy)
    },
    { prefix: '/refused' }
  )
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [breaking] })
      scope.register(proxy)
    },
    { prefix: '/broken' }
  )
  const port = await listen(t, app)
  await ask(port, '/broken/a').catch(() => {})
  for (const path of ['/retried/a', '/hedged/a', '/refused/a', '/nowhere']) await ask(port, path)
  return port
}

async function nobody(): Promise<string> {
  const port = await freePort()
  return `http://127.0.0.1:${port}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

interface Answer {
  status: string
  error?: string
  data: unknown
}

interface Sample {
  metric: Record<string, string>
  value: [number, string]
}

interface Prometheus {
  query(expression: string): Promise<Answer & { data: { result: Sample[] } }>
  /** Asks until something is answered. */
  until(expression: string): Promise<Sample[]>
  get(path: string): Promise<Answer>
}

/** A Prometheus of its own that scrapes this port, with the rules that are shipped. */
async function prometheus(t: Test, scraped: number): Promise<Prometheus> {
  const directory = t.testdir()
  const port = await freePort()
  const configuration = {
    global: { scrape_interval: '200ms', evaluation_interval: '200ms' },
    rule_files: [join(folder, 'alerts.yml')],
    scrape_configs: [{ job_name: 'headgate', static_configs: [{ targets: [`127.0.0.1:${scraped}`] }] }]
  }
  const file = join(directory, 'prometheus.yml')
  writeFileSync(file, JSON.stringify(configuration))
  await run('promtool', ['check', 'config', file])
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  t.teardown(() => end(child))
  await ready(child)
  const get = async (path: string) => JSON.parse((await ask(port, path)).text) as Answer
  const query = async (expression: string) =>
    (await get(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as Answer & { data: { result: Sample[] } }
  const until = async (expression: string) => {
    for (;;) {
      const { result } = (await query(expression)).data
      if (result.length > 0) return result
    }
  }
  return { query, until, get }
}

/** Its log says when it answers; it would die if nobody read on. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', chunk => {
      log += chunk
      if (log.includes('Server is ready to receive web requests')) resolve()
    })
    child.once('exit', () => reject(new Error(log)))
  })
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

t.test('promtool finds nothing to say about the metrics', { skip }, async t => {
  const port = await busy(t)
  const { text } = await ask(port, '/metrics')
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  t.strictSame({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
})

t.test('Prometheus reads the gateway, and answers all that dashboard and alerts ask', { skip }, async t => {
  const { get, query, until } = await prometheus(t, await busy(t))
  t.equal((await until('headgate_build_info'))[0]?.value[1], '1')
  // Two scrapes, for rates.
  await until('rate(headgate_requests_total[1m])')

  const [sample] = (await query('headgate_requests_total{route="/retried/*"}')).data.result
  t.match(sample, { metric: { job: 'headgate', method: 'GET', status: '200' }, value: [Number, '1'] })
  t.equal((await query('sum(headgate_requests_total{status="404",route=""})')).data.result[0]?.value[1], '1')
  t.equal(
    (await query('headgate_upstream_requests_total{upstream="/refused"}')).data.result[0]?.metric.error,
    'GTW_ERR_CONNECT'
  )
  t.equal((await query('headgate_hedges_total{upstream="/hedged"}')).data.result[0]?.value[1], '1')
  t.equal((await query('headgate_endpoint_blocks_total')).data.result[0]?.metric.reason, 'health')

  const known = new Set((await get('/api/v1/label/__name__/values')).data as string[])
  for (const expression of expressions()) {
    const { status, error } = await query(expression)
    t.equal(status, 'success', `${expression} ${error ?? ''}`)
    const names = expression.match(/\b(?:headgate|process|nodejs)_[a-z0-9_]+/g) ?? []
    t.ok(names.length > 0, expression)
    for (const name of names) t.ok(known.has(name), `${name} is scraped`)
  }
  t.strictSame(await judged(get), new Set(['ok']), 'its rules can be evaluated')
})

interface Groups {
  groups: { rules: { health: string }[] }[]
}

/** How rules have fared, once each was evaluated. */
async function judged(get: Prometheus['get']): Promise<Set<string>> {
  for (;;) {
    const { groups } = (await get('/api/v1/rules')).data as Groups
    const healths = new Set(groups.flatMap(({ rules }) => rules.map(({ health }) => health)))
    if (healths.size > 0 && !healths.has('unknown')) return healths
  }
}

interface Panel {
  type: string
  title: string
  targets?: { expr: string }[]
}

function dashboard(): { panels: Panel[]; templating: { list: { query: string | { query: string } }[] } } {
  return JSON.parse(readFileSync(join(folder, 'grafana.json'), 'utf8'))
}

/** Of the dashboard with its variables filled in, and of the alerts. */
function expressions(): string[] {
  const panels = dashboard().panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const rules = readFileSync(join(folder, 'alerts.yml'), 'utf8')
  const alerts = [...rules.matchAll(/^ {8}expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)/gm)].map(
    ([, block, line]) => block ?? line ?? ''
  )
  return [...panels, ...alerts.filter(alert => !alert.startsWith('up{'))].map(expression =>
    expression.replaceAll('$__rate_interval', '1m').replaceAll(/"\$\w+"/g, '".*"')
  )
}

t.test('the dashboard has panels with questions, and only variables that it defines', async t => {
  const { panels, templating } = dashboard()
  const asked = panels.filter(({ type }) => type !== 'row')
  t.ok(asked.length > 20)
  for (const { title, targets } of asked) t.ok((targets ?? []).length > 0, title)
  const names = new Set((templating.list as unknown as { name: string }[]).map(({ name }) => name))
  for (const [, name = ''] of JSON.stringify(panels).matchAll(/\$\{?([a-z]\w*)/g)) t.ok(names.has(name), name)
})

t.test('the page has each metric of the gateway, and no other', { skip }, async t => {
  const page = readFileSync(join(folder, 'README.md'), 'utf8')
  const { text } = await ask(await busy(t), '/metrics')
  const served = [...text.matchAll(/^# TYPE (headgate_\w+)/gm)].map(([, name = '']) => name)
  const told = [...page.matchAll(/^\| `(headgate_\w+)`/gm)].map(([, name = '']) => name)
  t.strictSame(told.toSorted(), served.toSorted())
})

t.test('the rules are right, and fire when they should', { skip }, async t => {
  await run('promtool', ['check', 'rules', join(folder, 'alerts.yml')])
  const tests = join(t.testdir(), 'alerts.test.yml')
  writeFileSync(
    tests,
    JSON.stringify({ rule_files: [join(folder, 'alerts.yml')], evaluation_interval: '1m', tests: cases() })
  )
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', tests], { encoding: 'utf8' })
  t.equal(status, 0, `${stdout}${stderr}`)
  const all = [...readFileSync(join(folder, 'alerts.yml'), 'utf8').matchAll(/- alert: (\w+)/g)].map(
    ([, name = '']) => name
  )
  t.strictSame(Object.keys(scenarios).toSorted(), all.toSorted(), 'each rule has its case')
})

interface Scenario {
  /** Series by name and labels (job and instance are added), with their values minute by minute. */
  series: Record<string, string>
  /** When it fires first, in minutes; it does not a minute before. */
  minutes: number
  labels?: Record<string, string>
}

const endpoint = 'upstream="/users",endpoint="http://a"'
const scenarios: Record<string, Scenario> = {
  HeadgateDown: { series: { 'up{}': '1 0 0x30' }, minutes: 2 },
  HeadgateUpstreamDown: {
    series: { 'headgate_upstream_endpoints_available{upstream="/users"}': '2 0x30' },
    minutes: 2,
    labels: { upstream: '/users' }
  },
  HeadgateUpstreamDegraded: {
    series: {
      'headgate_upstream_endpoints_available{upstream="/users"}': '5 4x30',
      'headgate_upstream_endpoints{upstream="/users"}': '10x30'
    },
    minutes: 6,
    labels: { upstream: '/users' }
  },
  HeadgateEndpointDown: {
    series: { [`headgate_endpoint_up{${endpoint}}`]: '1 0x30', [`headgate_endpoint_weight{${endpoint}}`]: '1x30' },
    minutes: 16,
    labels: { upstream: '/users', endpoint: 'http://a' }
  },
  HeadgateEndpointFlaps: {
    series: { [`headgate_endpoint_blocks_total{${endpoint},reason="outlier"}`]: '0 2 4 6 8 10+2x30' },
    minutes: 8,
    labels: { upstream: '/users', endpoint: 'http://a', reason: 'outlier' }
  },
  HeadgateServerErrors: {
    series: {
      'headgate_requests_total{route="/a",method="GET",status="200"}': '0+90x30',
      'headgate_requests_total{route="/a",method="GET",status="503"}': '0+10x30'
    },
    minutes: 6
  },
  HeadgateSlow: {
    series: {
      'headgate_request_duration_seconds_bucket{route="/a",le="1"}': '0+98x30',
      'headgate_request_duration_seconds_bucket{route="/a",le="5"}': '0+100x30',
      'headgate_request_duration_seconds_bucket{route="/a",le="+Inf"}': '0+100x30'
    },
    minutes: 11,
    labels: { route: '/a' }
  },
  HeadgateUpstreamErrors: {
    series: {
      [`headgate_upstream_requests_total{${endpoint},status="200"}`]: '0+90x30',
      [`headgate_upstream_requests_total{${endpoint},error="GTW_ERR_RESET"}`]: '0+10x30'
    },
    minutes: 6,
    labels: { upstream: '/users' }
  },
  HeadgateRetries: {
    series: {
      'headgate_retries_total{upstream="/users"}': '0+20x30',
      [`headgate_upstream_requests_total{${endpoint},status="200"}`]: '0+100x30'
    },
    minutes: 11,
    labels: { upstream: '/users' }
  },
  HeadgateOverloaded: {
    series: { 'headgate_errors_total{code="GTW_ERR_OVERLOADED"}': '0+6x30' },
    minutes: 6,
    labels: { code: 'GTW_ERR_OVERLOADED' }
  },
  HeadgateEventLoopLag: {
    series: { 'nodejs_eventloop_lag_p99_seconds{}': '0 0.2x30', 'headgate_build_info{version="1"}': '1x30' },
    minutes: 6
  },
  HeadgateMemory: {
    series: { 'process_resident_memory_bytes{}': '0 4e9x30', 'headgate_workers{}': '2x30' },
    minutes: 16
  },
  HeadgateFiles: {
    series: {
      'process_open_fds{}': '0 900x30',
      'process_max_fds{}': '1000x30',
      'headgate_build_info{version="1"}': '1x30'
    },
    minutes: 6
  },
  HeadgateWorkerMissing: { series: { 'headgate_workers{}': '4 3x30' }, minutes: 6 }
}

/** Each as promtool wants it: nothing a minute before, then one alert. */
function cases(): object[] {
  const here = 'job="headgate",instance="gateway:9000"'
  return Object.entries(scenarios).map(([name, { series, minutes, labels }]) => ({
    interval: '1m',
    input_series: Object.entries(series).map(([key, values]) => ({
      series: key.replace('{', key.includes('{}') ? `{${here}` : `{${here},`),
      values
    })),
    promql_expr_test: [
      { expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`, eval_time: `${minutes - 1}m`, exp_samples: [] },
      {
        expr: `count by (alertname, upstream, endpoint, reason, route, code) (ALERTS{alertname="${name}",alertstate="firing"})`,
        eval_time: `${minutes}m`,
        exp_samples: [{ labels: labelled({ alertname: name, ...labels }), value: 1 }]
      }
    ]
  }))
}

function labelled(labels: Record<string, string>): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}}`
}
