/** What a peer may do at once, and how much of that comes back each second. */
export interface Budget {
  burst: number
  perSecond: number
}

/**
 * Each frame of these costs us more than the peer, or nothing comes of it. Work that comes of a connection gives back
 * what it needs, so that a busy peer is not taken for a hostile one.
 */
export interface FloodOptions {
  /**
   * Streams that end before their time: the peer's RST_STREAM on unfinished ones (CVE-2023-44487), and those that it makes
   * us send (CVE-2025-8671). Each stream that ends well gives back a half.
   */
  resets: Budget
  settings: Budget
  /** Peers measure the bandwidth by PING (gRPC), so what is sent gives back. */
  pings: Budget
  /** WINDOW_UPDATE; each 512 octets sent give back one. */
  updates: Budget
  /** DATA without content that ends nothing. */
  empty: Budget
  /** PRIORITY, frames of unknown types, and others that are ignored; each stream gives back two. */
  ignored: Budget
}

export const floodDefaults: FloodOptions = {
  resets: { burst: 500, perSecond: 33 },
  settings: { burst: 50, perSecond: 5 },
  pings: { burst: 200, perSecond: 20 },
  updates: { burst: 2_000, perSecond: 200 },
  empty: { burst: 100, perSecond: 10 },
  ignored: { burst: 1_000, perSecond: 100 }
}

const kinds = ['resets', 'settings', 'pings', 'updates', 'empty', 'ignored'] as const
export const RESETS = 0
export const SETTINGS_FRAMES = 1
export const PINGS = 2
export const UPDATES = 3
export const EMPTY = 4
export const IGNORED = 5

/** What is left of a connection's budgets. */
export class Floods {
  readonly #options: FloodOptions
  readonly #now: () => number
  readonly #left = new Float64Array(kinds.length)
  readonly #since = new Float64Array(kinds.length)

  /** @param now milliseconds */
  constructor(options: FloodOptions, now: () => number) {
    this.#options = options
    this.#now = now
    this.#since.fill(now())
    for (let kind = 0; kind < kinds.length; kind++) this.#left[kind] = this.#budget(kind).burst
  }

  /** @returns false if that is more than the peer may */
  spend(kind: number): boolean {
    const { burst, perSecond } = this.#budget(kind)
    let left = this.#left[kind] as number
    // Most peers never need to look at the clock.
    if (left < burst / 2) {
      const now = this.#now()
      left = Math.min(burst, left + ((now - (this.#since[kind] as number)) * perSecond) / 1_000)
      this.#since[kind] = now
    }
    if (left < 1) {
      this.#left[kind] = left
      return false
    }
    this.#left[kind] = left - 1
    return true
  }

  giveBack(kind: number, amount: number): void {
    this.#left[kind] = Math.min(this.#budget(kind).burst, (this.#left[kind] as number) + amount)
  }

  #budget(kind: number): Budget {
    return this.#options[kinds[kind] as (typeof kinds)[number]]
  }
}
