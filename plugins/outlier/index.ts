/**
 * Takes endpoints out that fail, or are slow, unlike the others; learned from the requests, without any of its own.
 * @module
 */
import { type Endpoint, OptionsError, plugin, type Upstream, type UpstreamResponse } from '../../src/index.js'
import { Detector, type OutlierOptions } from './detector.js'
import { options } from './options.js'

export interface OutlierFunctions {
  /** Whether an answer counts as a failure; else those of 5xx do. */
  failure?: (response: UpstreamResponse) => boolean
  /** Told when an endpoint is ejected and when it returns, with the reason in words. */
  onChange?: (endpoint: Endpoint, ejected: boolean, reason: string) => void
}

export type { OutlierOptions } from './detector.js'

const watched = new WeakSet<Upstream>()

/**
 * Ejects endpoints of the scope's upstream for a while: after failures in a row, or when they succeed less or take longer
 * than the others. Durations are milliseconds.
 *
 * @example
 * app.register(outlier, { consecutive: { serverErrors: 3 }, ejection: { time: 10_000 } })
 */
export default plugin(
  { name: 'outlier', options, functions: ['failure', 'onChange'], dependencies: ['upstream'] },
  (app, given: OutlierOptions & OutlierFunctions) => {
    const { log, upstream } = app
    const { ejection, failure, interval, latency, onChange } = given
    if (ejection.longest < ejection.time) {
      throw new OptionsError(
        `outlier: option ejection.longest is ${ejection.longest}, but must be at least ejection.time, ${ejection.time}`
      )
    }
    if (latency.factor > 0 && latency.factor <= 1) {
      throw new OptionsError(`outlier: option latency.factor is ${latency.factor}, but must be 0 or above 1`)
    }
    if (watched.has(upstream)) throw new OptionsError('outlier: this upstream is watched already; register it once')
    watched.add(upstream)

    let timer: NodeJS.Timeout | undefined
    let soon: NodeJS.Immediate | undefined
    let closed = false
    const check = () => {
      if (!detector.check()) clearInterval(timer)
    }
    const safely = (response: UpstreamResponse) => {
      try {
        return failure?.(response) === true
      } catch (error) {
        log.error(error, 'outlier: failure threw')
        return isServerError(response)
      }
    }
    const changed = (endpoint: Endpoint, ejected: boolean, reason: string) => {
      try {
        onChange?.(endpoint, ejected, reason)
      } catch (error) {
        log.error(error, 'outlier: onChange failed')
      }
    }
    const detector = new Detector(upstream, given, {
      now: () => performance.now(),
      failure: failure === undefined ? isServerError : safely,
      onWake: () => {
        if (closed) return
        clearInterval(timer)
        // Behind the answers that have arrived already: while the process was busy, they only seem to be waited for.
        timer = setInterval(() => {
          soon = setImmediate(check)
        }, interval).unref()
      },
      onEject: (endpoint, reason, duration) => {
        log.warn({ endpoint: endpoint.url, reason, duration }, 'an endpoint is ejected')
        changed(endpoint, true, reason)
      },
      onReturn: (endpoint, reason) => {
        log.info({ endpoint: endpoint.url, reason }, 'an endpoint returns')
        changed(endpoint, false, reason)
      },
      onRefuse: (endpoint, reason) => {
        log.warn({ endpoint: endpoint.url, reason }, 'an outlier stays in: no more endpoints may be ejected')
      }
    })
    app.addEndpointFilter(function outlier(request, next, endpoint) {
      return detector.attempt(request, next, endpoint)
    })
    app.addHook('onClose', async function stopChecks() {
      closed = true
      clearInterval(timer)
      clearImmediate(soon)
    })
  }
)

function isServerError({ statusCode }: UpstreamResponse): boolean {
  return statusCode >= 500
}
