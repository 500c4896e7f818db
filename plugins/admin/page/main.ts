import type { Failure } from '../failures.js'
import type { Numbers } from '../recorder.js'
import type { WorkerState } from '../worker.js'
import { Charts } from './charts.js'
import { orders } from './orders.js'
import { duration, failureList, type ShownUpstream, setText, upstreamList, workerList } from './render.js'
import { type ConnectionState, Stream } from './stream.js'

/** Seconds that are kept, and those of which shares are told. */
const kept = 600
const recent = 60

const find = (id: string) => document.getElementById(id) as HTMLElement
const token = () => sessionStorage.getItem('headgate token')

const charts = new Charts(find('rate-chart'), find('latency-chart'))
const tell = (message: string) => {
  setText(find('message'), message)
  window.setTimeout(() => find('message').textContent === message && setText(find('message'), ''), 6_000)
}
const showUpstreams = upstreamList(find('upstream-list'), orders(token, tell))
const showWorkers = workerList(find('workers'))
const showFailures = failureList(find('failures-table'), find('failures'), find('no-failures'))

let numbers: Numbers[] = []

function onNumbers(more: Numbers[]): void {
  const last = numbers.at(-1)?.second ?? 0
  numbers = [...numbers, ...more.filter(({ second }) => second > last)].slice(-kept)
  const latest = numbers.at(-1)
  if (latest === undefined) return
  const [first = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0] = latest.statuses
  setText(find('rate'), count(first + s2 + s3 + s4 + s5))
  for (const [id, value] of [
    ['s2', s2],
    ['s3', s3],
    ['s4', s4],
    ['s5', s5]
  ] as const)
    setText(find(id), count(value))

  const minute = numbers.slice(-recent)
  const asked = sum(minute, ({ statuses }) => statuses.reduce((total, value) => total + value, 0))
  const failed = sum(minute, ({ statuses }) => statuses[4] ?? 0)
  setText(find('errors'), asked === 0 ? '–' : percent(failed / asked))
  find('errors').className = failed > 0 ? 'bad' : ''

  const timed = minute.findLast(({ p50 }) => p50 !== null)
  for (const [ids, value] of [
    [['p50', 'l50'], timed?.p50],
    [['l90'], timed?.p90],
    [['p99', 'l99'], timed?.p99]
  ] as const) {
    for (const id of ids) setText(find(id), duration(value))
  }
  const hits = sum(numbers, ({ hits }) => hits)
  const looked = hits + sum(numbers, ({ misses }) => misses)
  setText(find('cache'), looked === 0 ? '–' : percent(hits / looked))

  charts.draw(numbers)
  // What the charts show, for who does not see them; not as often as it changes.
  if (latest.second % 10 !== 0 && find('rate-summary').textContent !== '') return
  setText(find('rate-summary'), `${count(asked)} requests in the last minute, ${count(failed)} of them answered 5xx.`)
  setText(
    find('latency-summary'),
    `p50 ${duration(timed?.p50)}, p90 ${duration(timed?.p90)}, p99 ${duration(timed?.p99)}.`
  )
}

function onWorkers({ workers, codes }: { workers: WorkerState[]; codes: Record<string, number> }): void {
  showWorkers(workers)
  const refused = ['GTW_ERR_OVERLOADED', 'GTW_ERR_POOL_FULL', 'GTW_ERR_CIRCUIT_OPEN'].reduce(
    (total, code) => total + (codes[code] ?? 0),
    0
  )
  setText(find('refused'), count(refused))
}

function onUpstreams(upstreams: ShownUpstream[]): void {
  setText(find('pending'), count(sum(upstreams, ({ pending }) => pending)))
  showUpstreams(upstreams)
}

const parts: Record<string, (data: never) => void> = {
  numbers: onNumbers,
  upstreams: onUpstreams,
  workers: onWorkers,
  failures: (failures: Failure[]) => showFailures(failures)
}

const words: Record<ConnectionState, string> = {
  connecting: 'Connecting …',
  live: 'Live',
  lost: 'Connection lost; trying again',
  paused: 'Paused',
  token: 'Waiting for the token'
}

const stream = new Stream({
  token,
  listener: (part, data) => parts[part]?.(data as never),
  state(state) {
    const shown = find('connection')
    setText(shown, words[state])
    shown.className = `connection ${state}`
    if (state === 'token') askToken()
  }
})

function askToken(): void {
  setText(find('token-error'), token() === null ? '' : 'That token is not the one.')
  sessionStorage.removeItem('headgate token')
  ;(find('token-dialog') as HTMLDialogElement).showModal()
}

find('token-form').addEventListener('submit', event => {
  event.preventDefault()
  const input = find('token') as HTMLInputElement
  sessionStorage.setItem('headgate token', input.value)
  input.value = ''
  ;(find('token-dialog') as HTMLDialogElement).close()
  stream.open()
})
stream.open()

function sum<T>(all: readonly T[], valueOf: (one: T) => number): number {
  return all.reduce((total, one) => total + valueOf(one), 0)
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function percent(share: number): string {
  return `${share > 0 && share < 0.1 ? (share * 100).toPrecision(2) : Math.round(share * 100)} %`
}
