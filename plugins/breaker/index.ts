/**
 * Leaves an endpoint that fails too often alone for a while, and then tries whether it is back.
 * @module
 */
import type { Static } from 'typebox'
import { type Endpoint, OptionsError, plugin, type Upstream } from '../../src/index.js'
import { Breaker, type OnChange } from './breaker.js'
import type { CircuitState } from './circuit.js'
import { options } from './options.js'

export type { OnChange } from './breaker.js'
export { Circuit, type CircuitOptions, type CircuitState } from './circuit.js'

export interface BreakerFunctions {
  /** Told of each change of state, with the reason in words. */
  onChange?: OnChange
}

const watched = new WeakSet<Upstream>()

/** Milliseconds from one time that all open circuits of an upstream are tried early to the next. */
const lull = 1_000

/**
 * A circuit breaker for each endpoint of the scope's upstream: failures open it, the endpoint gets no requests while it is
 * open, and a request on trial closes it again. Durations in milliseconds.
 *
 * @example
 * app.register(breaker, { consecutive: 5, ratio: 0.5, duration: 5_000 })
 */
export default plugin(
  { name: 'breaker', options, functions: ['onChange'], dependencies: ['upstream'] },
  (app, given: Static<typeof options> & BreakerFunctions) => {
    const { onChange, statuses, ...rest } = given
    const { consecutive, ratio, duration, longest } = rest
    if (consecutive === 0 && ratio === 0) {
      throw new OptionsError('breaker: options consecutive and ratio are both 0, but one of them must open it')
    }
    if (longest < duration) {
      throw new OptionsError(`breaker: option longest is ${longest}, but must be at least duration, ${duration}`)
    }
    const { upstream } = app
    if (watched.has(upstream)) {
      throw new OptionsError('breaker: the upstream of this scope has a breaker already; register it once')
    }
    watched.add(upstream)

    const breakers = new Map<Endpoint, Breaker>()
    let looked = Number.NEGATIVE_INFINITY
    const shared = { ...rest, statuses: new Set(statuses), now: () => performance.now(), changed }

    function changed(endpoint: Endpoint, state: CircuitState, reason: string, before: CircuitState): void {
      const told = { endpoint: endpoint.url, reason }
      // A trial that fails changes nothing for those who read the log.
      if (state === 'closed') app.log.info(told, 'breaker: closed')
      else if (state === 'open' && before === 'closed') app.log.warn(told, 'breaker: open')
      else app.log.debug(told, `breaker: ${state}`)
      if (state === 'open') lookForOthers(endpoint)
      try {
        onChange?.(endpoint, state, reason, before)
      } catch (error) {
        app.log.error(error, 'breaker: onChange threw')
      }
    }

    /** With nobody left, one of the others may have recovered; that is worth a trial each, once in a while. */
    function lookForOthers(last: Endpoint): void {
      if (upstream.available.length > 0 || shared.now() - looked < lull) return
      looked = shared.now()
      for (const [endpoint, breaker] of breakers) if (endpoint !== last) breaker.hasten()
    }

    function watch(endpoint: Endpoint): void {
      breakers.set(endpoint, new Breaker(endpoint, shared))
    }

    function forget(endpoint: Endpoint): void {
      breakers.get(endpoint)?.stop()
      breakers.delete(endpoint)
    }

    for (const endpoint of upstream.endpoints) watch(endpoint)
    upstream.on('add', watch)
    upstream.on('remove', forget)
    upstream.on('unblock', (endpoint, reason) => {
      if (reason === 'breaker') breakers.get(endpoint)?.unblocked()
      // What a probe found well again need not wait for its time.
      else if (reason === 'health') breakers.get(endpoint)?.hasten()
    })
    app.addEndpointFilter(function breaker(request, next, endpoint) {
      // A scope within may have an upstream of its own.
      const own = breakers.get(endpoint)
      return own === undefined ? next(request) : own.attempt(request, next)
    })
    app.addHook('onClose', async function stopBreakers() {
      for (const breaker of breakers.values()) breaker.stop()
    })
  }
)
