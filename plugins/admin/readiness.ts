import type { Upstream } from '../../src/index.js'
import type { Upstreams } from './upstreams.js'

/** What one worker says of whether it can serve. */
export interface Readiness {
  worker: number
  /** It ends: what it lacks does not matter. */
  closing: boolean
  /** What it waits for, in words. */
  waits: string[]
}

/**
 * Whether each upstream has had endpoints that were probed, where they are to be. Once it had, it stays ready: that all of
 * them are down later is no reason to take the gateway away, too, which has an answer to that.
 */
export class ReadinessOf {
  readonly #upstreams: Upstreams
  readonly #ready = new WeakSet<Upstream>()

  constructor(upstreams: Upstreams) {
    this.#upstreams = upstreams
  }

  /** @returns what is waited for */
  look(): string[] {
    const waits: string[] = []
    for (const [name, upstream] of this.#upstreams) {
      if (this.#ready.has(upstream)) continue
      const reason = lacks(upstream)
      if (reason === undefined) this.#ready.add(upstream)
      else waits.push(`${name}: ${reason}`)
    }
    return waits
  }
}

function lacks({ endpoints, source }: Upstream): string | undefined {
  if (endpoints.length === 0) return `no endpoints yet${source === undefined ? '' : ` from ${source}`}`
  const unprobed = endpoints.filter(({ why }) => why.includes('no probe has passed yet'))
  return unprobed.length === endpoints.length ? 'no endpoint has been probed yet' : undefined
}

/** Of all workers: those that end do not count, unless there is no other. */
export function isReady(workers: readonly Readiness[]): { ready: boolean; waits: string[] } {
  const serving = workers.filter(({ closing }) => !closing)
  if (serving.length === 0) return { ready: false, waits: ['the gateway is closing'] }
  const waits = [...new Set(serving.flatMap(({ waits }) => waits))]
  return { ready: waits.length === 0, waits }
}
