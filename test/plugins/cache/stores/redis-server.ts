import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** Whether there is a Redis or a Valkey to test with. */
export const command = ['redis-server', 'valkey-server'].find(name => spawnSync(name, ['--version']).status === 0)

/** A server on a port of its own, which can be stopped and started again. */
export class RedisServer {
  readonly port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'headgate-redis-'))
  #process: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  static async start(t: Test): Promise<RedisServer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, 'close')
    const redis = new RedisServer(port)
    t.teardown(async () => {
      await redis.stop()
      rmSync(redis.#directory, { recursive: true, force: true })
    })
    await redis.start()
    return redis
  }

  async start(): Promise<void> {
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    this.#process = spawn(command as string, [...options, '--dir', this.#directory], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    for await (const line of createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })) {
      if (/ready to accept connections/i.test(line)) break
    }
    this.#process.stdout?.resume()
  }

  async stop(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (running === undefined || running.exitCode !== null) return
    running.kill('SIGKILL')
    await once(running, 'exit')
  }

  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }
}
