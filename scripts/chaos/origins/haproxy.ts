import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnChild } from '../../child.js'
import { lastingPort } from '../port.js'
import { nodeOrigin } from './node.js'
import { ChildOrigin, type Origin, type SlowableOrigin } from './origin.js'

/** HAProxy before an origin of our own: now the one is killed or paused, now the other. */
class Haproxy implements SlowableOrigin {
  readonly name = 'haproxy'
  readonly url: string
  readonly #front: Origin
  readonly #behind: SlowableOrigin
  #hit: Origin

  constructor(front: Origin, behind: SlowableOrigin) {
    this.url = front.url
    this.#front = front
    this.#behind = behind
    this.#hit = behind
  }

  async start(): Promise<void> {
    await this.#behind.start()
    await this.#front.start()
  }

  kill(): Promise<void> {
    return this.#other().kill()
  }

  async end(): Promise<void> {
    await this.#front.end()
    await this.#behind.end()
  }

  pause(): void {
    this.#other().pause()
  }

  resume(): void {
    this.#hit.resume()
  }

  slow(): Promise<void> {
    return this.#behind.slow()
  }

  fast(): Promise<void> {
    return this.#behind.fast()
  }

  #other(): Origin {
    this.#hit = this.#hit === this.#front ? this.#behind : this.#front
    return this.#hit
  }
}

export async function haproxyOrigin(journal: string, directory: string, duration: number): Promise<SlowableOrigin> {
  const port = await lastingPort()
  const behind = await nodeOrigin(journal, duration)
  const file = join(directory, `haproxy-${port}.cfg`)
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
  hard-stop-after 2s
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  # It has no other server to try, and would only hold back its 503.
  retries 0
  http-reuse always
frontend client
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  server origin ${new URL(behind.url).host}
`
  )
  const spawn = () => spawnChild('haproxy', ['-db', '-f', file], port)
  return new Haproxy(new ChildOrigin('haproxy', port, spawn, 'SIGUSR1', true), behind)
}
