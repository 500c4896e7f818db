import t from 'tap'
import { Values } from '../../plugins/metrics/family.js'
import { jsonOf, rowsOf } from '../../plugins/metrics/json.js'
import { codeLabel, methodLabel, statusLabel } from '../../plugins/metrics/labels.js'
import { merge } from '../../plugins/metrics/merge.js'
import { names } from '../../plugins/metrics/names.js'
import { processMetrics } from '../../plugins/metrics/process.js'
import type { How, Row, Rows } from '../../plugins/metrics/rows.js'
import { Buckets } from '../../plugins/metrics/series.js'
import { expose, prefersOpenMetrics } from '../../plugins/metrics/text.js'
import { Totals } from '../../plugins/metrics/totals.js'
import { countBytes } from '../../plugins/metrics/traffic.js'
import { GatewayError, type Upstream } from '../../src/index.js'

const counter = (rows: Record<string, number>, labels = ['route']): Rows => ({
  name: 'requests_total',
  help: 'Requests.',
  type: 'counter',
  how: 'sum',
  labels,
  rows: Object.entries(rows).map(([key, value]): Row => [key.split(' '), [value]])
})
const gauge = (how: How, value: number): Rows => ({
  name: how,
  help: how,
  type: 'gauge',
  how,
  labels: [],
  rows: [[[], [value]]]
})
const told = (metrics: Rows[]) =>
  Object.fromEntries(metrics.flatMap(({ rows }) => rows.map(([labels, [value]]) => [labels.join(' '), value])))

t.test('a value falls into the first bucket whose bound it does not exceed', async t => {
  const buckets = new Buckets([], [0.1, 1])
  for (const value of [0, 0.1, 0.11, 1, 1.5, 100]) buckets.observe(value)
  t.strictSame(buckets.numbers.slice(0, 3), [2, 2, 2])
  t.equal(buckets.numbers[3], 102.71)
})

t.test('a bucket keeps the trace of its last request, if it has one', async t => {
  const buckets = new Buckets([], [1])
  t.equal(buckets.exemplars, undefined)
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'
  buckets.observe(0.5, `00-${id}-00f067aa0ba902b7-01`)
  buckets.observe(0.6)
  t.match(buckets.exemplars, [[id, 0.5, Number], null])
  buckets.observe(2, 'x"} 1')
  buckets.observe(0.7, `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`)
  t.strictSame(buckets.exemplars, [null, null], 'what is no trace is not shown')
})

t.test('what clients and upstreams make up has no label of its own', async t => {
  t.strictSame(['GET', 'PROPFIND', 'X'].map(methodLabel), ['GET', 'OTHER', 'OTHER'])
  t.strictSame([200, 499, 299, 999].map(statusLabel), ['200', '499', '2xx', '9xx'])
  t.equal(codeLabel(new GatewayError('GTW_ERR_RESET')), 'GTW_ERR_RESET')
  t.equal(codeLabel(Object.assign(new Error('x'), { code: 'EMADEUP' })), 'other')
})

t.test('a metric has so many series, and one for all that are more', async t => {
  const family = new Values({ name: 'a', help: 'a', type: 'counter', labels: ['one', 'two'], most: 2 })
  family.series('a', 'b').value++
  family.series('c', 'd').value++
  family.series('e', 'f').value++
  family.series('g', 'h').value++
  family.series('a', 'b').value++
  t.strictSame(told([family.rows()]), { 'a b': 2, 'c d': 1, 'other other': 2 })
  family.delete(family.series('g', 'h'))
  family.delete(family.series('a', 'b'))
  t.strictSame(told([family.rows()]), { 'c d': 1, 'other other': 2 }, 'nobody takes the common one away')
})

t.test('bytes of a connection are counted once, by the request after which they are there', async t => {
  const family = new Values({ name: 'a', help: 'a', type: 'counter', labels: ['way'], most: 9 })
  const read = family.series('read')
  const written = family.series('written')
  const socket = { bytesRead: 100, bytesWritten: 50 }
  countBytes(socket, read, written)
  Object.assign(socket, { bytesRead: 150, bytesWritten: 500 })
  countBytes(socket, read, written)
  countBytes(null, read, written)
  countBytes({}, read, written)
  t.strictSame([read.value, written.value], [150, 500])
})

t.test('upstreams are named by their prefix, and differ', async t => {
  const upstream = {} as Upstream
  const nameOf = names((_upstream, prefix) => (prefix === '/secret' ? 'vault' : undefined))
  const prefixes = ['', '/users', '', '/secret', '/users', '/users']
  t.strictSame(
    prefixes.map(prefix => nameOf(upstream, prefix)),
    ['/', '/users', '/#2', 'vault', '/users#2', '/users#3']
  )
})

t.test('metrics of several workers become one', async t => {
  t.strictSame(told(merge([[counter({ '/': 1, '/a': 2 })], [counter({ '/a': 3, '/b': 4 })]])), {
    '/': 1,
    '/a': 5,
    '/b': 4
  })
  for (const [how, value] of Object.entries({ sum: 5, max: 3, min: 2, first: 2 })) {
    t.strictSame(told(merge([[gauge(how as How, 2)], [gauge(how as How, 3)]])), { '': value }, how)
  }
})

t.test('histograms are added by bucket, with the newest trace of each', async t => {
  const histogram = (numbers: number[], exemplars: Row[2], bounds = [1]): Rows => ({
    ...counter({}),
    type: 'histogram',
    bounds,
    rows: [[['/'], numbers, ...(exemplars === undefined ? [] : [exemplars])] as unknown as Row]
  })
  const one = histogram([1, 2, 3], [['old', 1, 1], null])
  const other = histogram([4, 5, 6], [['new', 1, 2], null])
  const none = histogram([1, 1, 1], undefined)
  t.strictSame(merge([[one], [other], [none]])[0]?.rows, [[['/'], [6, 8, 10], [['new', 1, 2], null]]])
  t.strictSame(
    merge([[one], [histogram([9, 9, 9, 9], undefined, [1, 2])]])[0]?.rows,
    one.rows,
    'of other buckets: not at all'
  )
})

t.test('a metric of prom-client itself survives the way through another process', async t => {
  const json = {
    name: 'gc_seconds',
    help: 'GC.',
    type: 'histogram',
    aggregator: 'sum',
    values: [
      { metricName: 'gc_seconds_bucket', value: 1, labels: { kind: 'minor', le: '+Inf' } },
      { metricName: 'gc_seconds_sum', value: 0.5, labels: { kind: 'minor' } }
    ]
  }
  t.strictSame(jsonOf(JSON.parse(JSON.stringify(rowsOf(json)))), json)
  t.equal(rowsOf({ ...json, aggregator: 'average' }).how, 'max', 'the worst worker')
})

t.test('a process has one set of its own metrics, and none that walks through its connections', async t => {
  t.equal(processMetrics(), processMetrics())
  t.notOk(processMetrics().some(metric => /active/.test((metric as unknown as Rows).name)))
})

t.test('OpenMetrics is for those who prefer it', async t => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
  t.equal(prefersOpenMetrics(prometheus), true)
  for (const accept of [undefined, '', '*/*', 'text/plain', 'application/openmetrics-text;q=0']) {
    t.equal(prefersOpenMetrics(accept), false, String(accept))
  }
  t.equal(prefersOpenMetrics('application/openmetrics-text;q=0.4, text/plain;q=0.5'), false)
})

t.test('a counter is named the same in both formats', async t => {
  const rows = [counter({ '/': 1, '': 2 })]
  for (const accept of ['text/plain', 'application/openmetrics-text']) {
    const { body } = expose(rows, accept)
    t.match(body, /^requests_total\{route="\/"\} 1$/m, accept)
    t.match(body, /^requests_total 2$/m, 'an empty label is none')
  }
  t.match(expose(rows, 'application/openmetrics-text').body, /^# TYPE requests counter$[^]*\n# EOF\n$/m)
})

t.test('text is escaped, and numbers that are none are written', async t => {
  const odd = { ...gauge('sum', Number.POSITIVE_INFINITY), help: 'a\nb\\', labels: ['path'] }
  odd.rows = [
    [['a"b\\c\nd'], [Number.POSITIVE_INFINITY]],
    [['e'], [Number.NEGATIVE_INFINITY]],
    [['f'], [Number.NaN]]
  ]
  t.equal(
    expose([odd], undefined).body,
    '# HELP sum a\\nb\\\\\n# TYPE sum gauge\nsum{path="a\\"b\\\\c\\nd"} +Inf\nsum{path="e"} -Inf\nsum{path="f"} NaN\n'
  )
})

t.test('totals do not go back', async t => {
  const alive = new Set([1, 2])
  const totals = new Totals(id => alive.has(id))
  const told = (id: number, at: number, value: number) => ({ id, at, metrics: [counter({ '/': value })] })
  const total = (...snapshots: ReturnType<typeof told>[]) => totals.settle(snapshots)[0]?.rows[0]?.[1][0]

  t.equal(total(told(1, 1, 10), told(2, 1, 100)), 110)
  t.equal(total(told(1, 2, 11)), 111, 'a worker that did not answer counts with what it told last')
  t.equal(total(told(1, 1, 10)), 111, 'what comes late is older')
  alive.delete(2)
  t.equal(total(told(1, 3, 12)), 112, 'one that has gone counts on')
  t.equal(total(told(1, 3, 12), told(2, 2, 101)), 112, 'once')
  alive.add(3)
  t.equal(total(told(1, 4, 12), told(3, 1, 1)), 113)
  alive.clear()
  t.equal(total(), 113)
})

t.test('nothing is kept of endpoints that no worker has any longer', async t => {
  const alive = new Set([1, 2])
  const totals = new Totals(id => alive.has(id))
  const labels = ['upstream', 'endpoint', 'status']
  totals.keep([
    { id: 1, at: 1, metrics: [counter({ '/ a 200': 1, '/ b 200': 1, '/ b 500': 1 }, labels)] },
    { id: 2, at: 1, metrics: [counter({ '/ b 200': 1 }, labels)] }
  ])
  alive.delete(1)
  t.strictSame(told(totals.settle([])), { '/ b 200': 2, '/ b 500': 1 })
})

t.test('gauges are not kept', async t => {
  const totals = new Totals(() => true)
  t.strictSame(totals.settle([{ id: 1, at: 1, metrics: [gauge('sum', 1)] }]), [])
})
