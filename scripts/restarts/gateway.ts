import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const plugins = new URL('../../plugins/index.js', import.meta.url)

interface Line {
  pid: number
  level: number
  msg: string
  successor?: number
}

export interface GatewayArguments {
  directory: string
  origin: string
  workers: number
}

/** A gateway with an app file, and whoever takes its place. */
export class Gateway {
  readonly port: number
  readonly #lines: EventEmitter<{ line: [Line] }>
  readonly #child: ChildProcess
  #pid: number

  static async start({ directory, origin, workers }: GatewayArguments): Promise<Gateway> {
    const file = join(directory, 'app.mjs')
    writeFileSync(
      file,
      `import { proxy, upstream } from '${plugins}'
export default app => {
  app.register(upstream, { endpoints: ['${origin}'] })
  app.register(proxy)
}
`
    )
    // What it costs to write the access log is not what is measured here.
    const child = spawn(process.execPath, [main, '--port', '0', '--workers', String(workers), file], {
      env: { ...process.env, HEADGATE_SOCKETS: '' },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    process.on('exit', () => child.kill('SIGKILL'))
    const lines = new EventEmitter<{ line: [Line] }>()
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', text => {
      const line: Line = JSON.parse(text)
      if (line.level >= 40) process.stderr.write(`${text}\n`)
      lines.emit('line', line)
    })
    const { msg } = await said(lines, /^Server listening at/)
    return new Gateway(child, lines, Number(/:(\d+)$/.exec(msg)?.[1]))
  }

  private constructor(child: ChildProcess, lines: EventEmitter<{ line: [Line] }>, port: number) {
    this.#child = child
    this.#lines = lines
    this.port = port
    this.#pid = child.pid as number
  }

  async reload(): Promise<void> {
    const done = said(this.#lines, /^reload(ed$| failed)/)
    process.kill(this.#pid, 'SIGHUP')
    const { msg } = await done
    if (msg !== 'reloaded') throw new Error(msg)
  }

  async upgrade(): Promise<void> {
    const done = said(this.#lines, /^(a new process serves|upgrade failed)/)
    process.kill(this.#pid, 'SIGUSR2')
    const { msg, successor } = await done
    if (successor === undefined) throw new Error(msg)
    this.#pid = successor
  }

  /** @returns the code with which the last process ended; -1 when another one did */
  async stop(): Promise<number> {
    const own = this.#pid === this.#child.pid
    const closed = once(this.#child, 'close')
    process.kill(this.#pid, 'SIGTERM')
    // Its output is closed when the last of all processes has ended.
    const [code] = await closed
    return own ? code : 0
  }
}

/** Several lines may come at once: none is missed. */
function said(lines: EventEmitter<{ line: [Line] }>, pattern: RegExp): Promise<Line> {
  return new Promise(resolve => {
    const hear = (line: Line) => {
      if (!pattern.test(line.msg)) return
      lines.off('line', hear)
      resolve(line)
    }
    lines.on('line', hear)
  })
}
