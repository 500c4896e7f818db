/** Where an event of the stream goes, by its name. */
export type Listener = (part: string, data: unknown) => void

export type ConnectionState = 'connecting' | 'live' | 'lost' | 'paused' | 'token'

interface Options {
  token(): string | null
  listener: Listener
  state(state: ConnectionState): void
}

const shortest = 1_000
const longest = 15_000

/**
 * Server-sent events over fetch, which can send a token; EventSource cannot. One stream at a time: it is opened again,
 * less and less often, when it breaks off, and ends while nobody sees the page.
 */
export class Stream {
  readonly #options: Options
  #abort: AbortController | undefined
  #timer: number | undefined
  #wait = shortest

  constructor(options: Options) {
    this.#options = options
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#pause() : this.open()))
  }

  open(): void {
    if (document.hidden) return
    this.#stop()
    const abort = new AbortController()
    this.#abort = abort
    this.#read(abort.signal).then(
      () => this.#again(abort),
      () => this.#again(abort)
    )
  }

  #pause(): void {
    this.#stop()
    this.#options.state('paused')
  }

  #stop(): void {
    window.clearTimeout(this.#timer)
    const abort = this.#abort
    this.#abort = undefined
    abort?.abort()
  }

  #again(ended: AbortController): void {
    if (this.#abort !== ended) return
    this.#options.state('lost')
    this.#timer = window.setTimeout(() => this.open(), this.#wait)
    this.#wait = Math.min(longest, this.#wait * 2)
  }

  async #read(signal: AbortSignal): Promise<void> {
    const token = this.#options.token()
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch('/events', { signal, headers })
    if (response.status === 401) {
      this.#stop()
      this.#options.state('token')
      return
    }
    if (!response.ok || response.body === null) throw new Error(`answered ${response.status}`)
    this.#options.state('live')
    this.#wait = shortest
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const events = (rest + value).split('\n\n')
      rest = events.pop() as string
      for (const event of events) this.#hear(event)
    }
  }

  #hear(event: string): void {
    const [, part, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? []
    if (part !== undefined && data !== undefined) this.#options.listener(part, JSON.parse(data))
  }
}
