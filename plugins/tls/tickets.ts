import { createHmac, hkdfSync } from 'node:crypto'
import type { Workers } from '../../src/index.js'
import type { TicketKey } from './ticket-keys.js'

const service = new URL('./ticket-keys.js', import.meta.url)

/** Of a timer. */
const longest = 2_147_483_647

export interface TicketOptions {
  /** Milliseconds. */
  rotation: number
  secret?: string | undefined
}

/** Keys for session tickets, the same in all workers. Who has a ticket of an older one makes a full handshake. */
export class Tickets {
  readonly #options: TicketOptions
  readonly #ask: () => Promise<TicketKey>
  readonly #changed: () => void
  #key = ''
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** @param changed told when `keys` answers something else */
  constructor(workers: Pick<Workers, 'ask'>, options: TicketOptions, changed: () => void) {
    this.#options = options
    this.#changed = changed
    const { rotation, secret } = options
    this.#ask =
      secret === undefined
        ? async () => (await workers.ask(service, 'ticketKey', rotation)) as TicketKey
        : async () => derived(secret, rotation, Date.now())
  }

  /** @throws Error when the primary has gone */
  async open(): Promise<void> {
    const { key, left } = await this.#ask()
    const news = key !== this.#key
    this.#key = key
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        // The primary has gone: so will this worker.
        this.open().catch(() => {})
      },
      Math.min(left, longest)
    ).unref()
    if (news) this.#changed()
  }

  /** What node:tls takes, for those who belong together: a ticket of others is none. */
  keys(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', purpose, 48))
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }
}

/** The same on all machines that have the secret and the time. */
export function derived(secret: string, rotation: number, now: number): TicketKey {
  const period = Math.floor(now / rotation)
  const key = createHmac('sha256', secret).update(`tickets ${rotation} ${period}`).digest('base64')
  return { key, left: (period + 1) * rotation - now }
}
