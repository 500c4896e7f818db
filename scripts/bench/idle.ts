import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { tree } from './cpu.js'
import { frontOf } from './front.js'
import type { Origin } from './origin.js'
import type { Peer } from './peers.js'
import { serves } from './probe.js'
import type { Setting } from './run.js'
import type { Scenario } from './scenarios.js'

/** What streams that wait for an answer take of a peer: bytes of resident memory of all its processes. */
export interface Held {
  peer: string
  streams: number
  /** How many of them the origin has seen. */
  arrived: number
  before: number
  held: number
  /** Some time after all were reset. */
  released: number
  /** With as many once more: what is not given back to the system is to be used again. */
  again: number
  /** Streams that ended. */
  errors: number
}

/** Milliseconds for all streams to arrive, and for memory to be given back. */
const patience = 30_000
const rest = 2000

function residentMemory(pid: number): number {
  const kib = tree(String(pid)).map(process => {
    const status = readFileSync(`/proc/${process}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)
  })
  return kib.reduce((sum, size) => sum + size, 0) * 1024
}

/** Streams held open from this process; an error is one that was answered or ended. */
class Streams {
  errors = 0
  readonly #sessions: ClientHttp2Session[] = []
  #released = false

  open(port: number, { connections, streams, path }: Scenario): void {
    for (let connection = 0; connection < connections; connection++) {
      const session = connect(`https://localhost:${port}`, { host: '127.0.0.1', rejectUnauthorized: false })
      // Its streams end with it, and are what is counted.
      session.on('error', () => {})
      this.#sessions.push(session)
      for (let stream = 0; stream < streams; stream++) this.#request(session, path)
    }
  }

  #request(session: ClientHttp2Session, path: string): void {
    const request = session.request({ ':path': path })
    request.on('error', () => {})
    request.once('response', () => request.close())
    request.once('close', () => {
      if (!this.#released) this.errors++
    })
  }

  release(): void {
    this.#released = true
    for (const session of this.#sessions) session.destroy()
  }
}

/** Opens all streams and waits until they have arrived; gives up on those that a peer holds back. */
async function hold(port: number, scenario: Scenario, origin: Origin): Promise<[streams: Streams, arrived: number]> {
  const streams = new Streams()
  const before = (await origin.counts()).requests
  streams.open(port, scenario)
  const all = scenario.connections * scenario.streams
  let arrived = 0
  for (const start = performance.now(); performance.now() - start < patience; await delay(100)) {
    arrived = (await origin.counts()).requests - before
    if (arrived + streams.errors >= all) break
  }
  return [streams, arrived]
}

/** Measures one peer; undefined when it does not speak the protocol. */
export async function holdStreams(
  peer: Peer,
  scenario: Scenario,
  origin: Origin,
  { certificate, directory }: Setting
): Promise<Held | undefined> {
  const child = await peer.start(origin.port, join(directory, peer.name), frontOf(scenario, certificate))
  try {
    if (!(await serves(child.port, scenario.protocol))) return undefined
    await delay(rest)
    const before = residentMemory(child.pid)
    const [first, arrived] = await hold(child.port, scenario, origin)
    const held = residentMemory(child.pid)
    first.release()
    await delay(rest)
    const released = residentMemory(child.pid)
    const [second] = await hold(child.port, scenario, origin)
    const again = residentMemory(child.pid)
    second.release()
    const streams = scenario.connections * scenario.streams
    return { peer: peer.name, streams, arrived, before, held, released, again, errors: first.errors + second.errors }
  } finally {
    await child.stop()
  }
}
