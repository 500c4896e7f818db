/**
 * Endpoints that come and go: from DNS, a file, another service, or a function.
 * @module
 */
import type { FastifyInstance } from 'fastify'
import { OptionsError, plugin } from '../../src/index.js'
import { follow } from './follow.js'
import { readList } from './list.js'
import { Members } from './members.js'
import { options } from './options.js'
import { Report, reasonOf } from './report.js'
import { descriptionOf, type Source } from './source.js'
import { wait } from './wait.js'

export { type DnsOptions, dns } from './dns.js'
export { type FileOptions, file } from './file.js'
export { type HttpOptions, http } from './http.js'
export type { EndpointList, Source } from './source.js'
export { type SrvOptions, srv } from './srv.js'

/**
 * Keeps the endpoints of the scope's upstream as a source says. Those that stay keep their connections, health and
 * statistics; those that leave end with their requests. A source that fails changes nothing.
 *
 * @example
 * app.register(upstream, { endpoints: [] })
 * app.register(discovery, { source: dns({ name: 'users.internal', port: 3000 }) })
 */
export default plugin(
  { name: 'discovery', options, required: ['source'], functions: ['source'], dependencies: ['upstream'] },
  (app, { source, timeout, required, empty, limit, interval, backoff }: Options) => {
    const { upstream } = app
    if (upstream.source !== undefined) {
      throw new OptionsError(
        `discovery: the upstream has a source already (${upstream.source}); one function can join the lists of two`
      )
    }
    checkTimeout(app, timeout)
    const description = descriptionOf(source)
    upstream.source = description
    const members = new Members(upstream)
    const report = new Report(app.log, description)
    const closed = new AbortController()
    const first = new AbortController()

    const refused = (error: unknown) => report.failed(reasonOf(error), members.entries.size)
    const listed = (list: unknown): void => {
      try {
        const entries = readList(list, limit, members.entries)
        if (entries.size === 0 && empty === 'keep') return refused('the list is empty')
        report.listed(members.update(entries), entries.size)
        first.abort()
      } catch (error) {
        refused(error)
      }
    }
    const ended = () => report.ended(members.entries.size)
    const pace = { interval, backoff, random: Math.random }
    // At once, so that several sources are asked at the same time, and not one behind the other's boot.
    const following = follow(source, pace, closed.signal, { listed, failed: refused, ended })

    app.addHook('onReady', async function hasList() {
      // Between two attempts nothing else may keep a process alive that does not listen yet.
      await wait(timeout, first.signal, { alive: true })
      if (first.signal.aborted || !required || upstream.endpoints.length > 0) return
      closed.abort()
      const reason = report.failure ?? 'it has not answered'
      throw new OptionsError(
        `discovery: ${description} has brought no endpoints within ${timeout} ms: ${reason}; required: false starts without`
      )
    })
    app.addHook('onClose', async function leaveSource() {
      closed.abort()
      await following
    })
  }
)

interface Options {
  source: Source
  timeout: number
  required: boolean
  empty: 'keep' | 'accept'
  limit: number
  interval: number
  backoff: { minimum: number; maximum: number }
}

/** Fastify's own limit would speak of a hook that it had to end, and not of the source. */
function checkTimeout({ initialConfig }: FastifyInstance, timeout: number): void {
  const { pluginTimeout = 10_000 } = initialConfig
  if (pluginTimeout === 0 || timeout < pluginTimeout) return
  throw new OptionsError(
    `discovery: option timeout is ${timeout}, but must be less than the pluginTimeout of the gateway, ${pluginTimeout}`
  )
}
