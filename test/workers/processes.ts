import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { bare } from '../bare.js'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
export const plugins = new URL('../../plugins/index.js', import.meta.url).href
export const counter = new URL('./counter.js', import.meta.url).href

export interface Line {
  pid: number
  level: number
  msg: string
  [field: string]: unknown
}

/** A process of headgate, or those that it starts, by their log. */
export class Headgate {
  readonly process: ChildProcess
  /** Its code when all processes have ended that write to its output. */
  readonly ended: Promise<{ code: number | null; stderr: string }>
  readonly #lines: Line[] = []
  readonly #told = new EventEmitter().setMaxListeners(0)
  #seen = 0

  constructor(t: Test, args: string[], env: NodeJS.ProcessEnv = {}, stdio: number[] = []) {
    const { HOST, HEADGATE_UPSTREAM, LOG_LEVEL, ...rest } = process.env
    // systemd tells the process its own number, which nobody knows before: a shell does, and becomes the process.
    const shell = env.LISTEN_FDS === undefined ? [] : ['/bin/sh', '-c', 'LISTEN_PID=$$ exec "$0" "$@"']
    const [program = '', ...options] = [...shell, ...bare([main, ...args]).flat()]
    const child = spawn(program, options, {
      env: { ...rest, PORT: '0', WORKERS: '2', ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...stdio]
    })
    this.process = child
    // Its workers end with it.
    t.teardown(() => child.kill('SIGKILL'))
    const errors = text(child.stderr as NodeJS.ReadableStream)
    this.ended = once(child, 'close').then(async ([code]) => ({ code, stderr: await errors }))
    createInterface(child.stdout as NodeJS.ReadableStream)
      .on('line', line => {
        if (line.startsWith('{')) this.#lines.push(JSON.parse(line))
        this.#told.emit('line')
      })
      .on('close', () => this.#told.emit('line'))
  }

  /** The next line that says so, behind those found before. */
  async says(pattern: RegExp): Promise<Line> {
    for (;;) {
      const index = this.#lines.findIndex(({ msg }, index) => index >= this.#seen && pattern.test(msg))
      if (index >= 0) {
        this.#seen = index + 1
        return this.#lines[index] as Line
      }
      if (this.process.stdout?.readableEnded) throw new Error(`it ended without ${pattern}`)
      await once(this.#told, 'line')
    }
  }

  /** Where it listens, once all its workers do. */
  async url(workers = 2): Promise<string> {
    let line = await this.says(/^Server listening at/)
    for (let count = 1; count < workers; count++) line = await this.says(/^Server listening at/)
    return line.msg.replace('Server listening at ', '')
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }
}

/** Asks over connections of their own until each of so many processes has answered. */
export async function pids(url: string, count: number): Promise<Set<number>> {
  const found = new Set<number>()
  while (found.size < count) found.add(Number(await ask(url)))
  return found
}

export async function ask(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return response.text()
}
