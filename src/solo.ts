import type { RunCommand } from './cli.js'
import { Runner } from './runner.js'
import { handleOf } from './sockets.js'
import type { Service, Started } from './supervisor.js'

const silent = { info() {}, warn() {}, error() {} }

/** A gateway in this process, without workers. */
export class Solo implements Service {
  readonly runner: Runner

  constructor(command: RunCommand) {
    this.runner = new Runner(command)
  }

  get log(): Service['log'] {
    return this.runner.app?.log ?? silent
  }

  get sockets(): ReadonlyMap<string, number> {
    const servers = [...this.runner.servers]
    return new Map(
      servers.flatMap(([name, server]) => {
        const handle = handleOf(server)
        return handle === undefined ? [] : [[name, handle.fd] as const]
      })
    )
  }

  async start(): Promise<Started> {
    await this.runner.load()
    const address = await this.runner.listen()
    return { address, told: this.runner.told }
  }

  reload(): Promise<void> {
    return this.runner.reload()
  }

  /** `close` lets go of the socket, too. */
  async release(): Promise<void> {}

  close(): Promise<void> {
    return this.runner.close()
  }

  kill(): void {}
}
