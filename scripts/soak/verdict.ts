import type { State } from './state.js'

/** One line of the report. */
export interface Line {
  what: string
  before: string
  after: string
  allowed: string
  ok: boolean
}

const mib = 1024 * 1024
const size = (bytes: number) => `${(bytes / mib).toFixed(1)} MiB`

/** Timers that may be pending by chance: the date of the response header, the sweep of a pool. */
const someTimers = 5

/** Compares the gateway before and after: the heap may grow by 10 % and 5 MB, sockets and timers stay. */
export function compare(before: State, after: State): Line[] {
  const heap = before.heapUsed * 1.1 + 5_000_000
  const timers = (state: State) => state.resources.Timeout ?? 0
  return [
    {
      what: 'heap used after gc',
      before: size(before.heapUsed),
      after: size(after.heapUsed),
      allowed: size(heap),
      ok: after.heapUsed <= heap
    },
    {
      what: 'sockets and files',
      before: String(before.files),
      after: String(after.files),
      allowed: String(before.files),
      ok: after.files <= before.files
    },
    {
      what: 'timers',
      before: String(timers(before)),
      after: String(timers(after)),
      allowed: String(timers(before) + someTimers),
      ok: timers(after) <= timers(before) + someTimers
    }
  ]
}

/** RSS a gateway may have with 5,000 idle connections. */
const rssLimit = 150_000_000

export function compareIdle(fresh: State, idle: State, connections: number): Line {
  return {
    what: `RSS, ${connections.toLocaleString('en-US')} idle connections`,
    before: size(fresh.rss),
    after: size(idle.rss),
    allowed: size(rssLimit),
    ok: idle.rss < rssLimit
  }
}

export function table(lines: readonly Line[]): string {
  const rows = lines.map(
    line => `| ${line.what} | ${line.before} | ${line.after} | ${line.allowed} | ${line.ok ? 'ok' : '**no**'} |`
  )
  return ['| gateway | before | after | at most | |', '| :-- | --: | --: | --: | :-- |', ...rows].join('\n')
}
