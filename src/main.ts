#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { help, parse, type RunCommand, type SignalCommand } from './cli.js'
import { OptionsError } from './errors.js'
import { Runner } from './runner.js'
import { describeSockets, inheritedSockets } from './sockets.js'
import { Solo } from './solo.js'
import { type Service, Supervisor } from './supervisor.js'
import { isWorker } from './workers/cluster-worker.js'
import { WorkerFailed } from './workers/failed.js'
import { work } from './workers/worker.js'

let verbose = /^(debug|trace)$/i.test(process.env.LOG_LEVEL ?? '')
let runner: Runner | undefined

// Rejections that nobody handles arrive here as well.
process.on('uncaughtException', error => {
  runner?.app?.log.fatal(error, 'stopped by an error that nothing handled')
  fail(error)
})
main().catch(fail)

async function main(): Promise<void> {
  const command = parse(process.argv.slice(2), process.env)
  switch (command.name) {
    case 'help':
      return print(help)
    case 'version':
      return print(`${version()}\n`)
    case 'run':
      return run(command)
    default:
      return signal(command)
  }
}

async function run(command: RunCommand): Promise<void> {
  const { file, check, logLevel } = command
  verbose = logLevel === 'debug' || logLevel === 'trace'
  if (isWorker) {
    runner = new Runner(command)
    return work(runner, process.exit, fail)
  }
  if (check) {
    runner = new Runner(command)
    await runner.load()
    print(runner.description)
    await runner.close()
    process.exit(0)
  }
  const { address, told } = await new Supervisor(await service(command), fail).start()
  if (file === undefined && !process.env.HEADGATE_UPSTREAM) print(welcome(address))
  // Without a logger, nothing else says it.
  else if (!told) print(`Headgate listens on ${address}\n`)
}

async function service(command: RunCommand): Promise<Service> {
  const { workers, workerMemory, workerTimeout, logLevel } = command
  if (workers === 1) {
    const solo = new Solo(command)
    runner = solo.runner
    return solo
  }
  // Neither is needed where there is one process.
  const [{ Primary }, { pino }] = await Promise.all([import('./workers/primary.js'), import('pino')])
  const log = pino({ level: logLevel })
  // By the number of this process, workers would not know that the sockets are theirs, too.
  process.env.HEADGATE_SOCKETS = describeSockets(inheritedSockets())
  return new Primary({ workers, memory: workerMemory * 2 ** 20, stuck: workerTimeout * 1_000, log })
}

function signal({ name, pid }: SignalCommand): void {
  try {
    process.kill(pid, name === 'reload' ? 'SIGHUP' : 'SIGUSR2')
  } catch (error) {
    throw new OptionsError(`process ${pid} cannot be told: ${(error as Error).message}`)
  }
}

function fail(error: unknown): never {
  // A worker has said why it did not come up.
  if (error instanceof WorkerFailed && error.told) process.exit(1)
  const message = error instanceof Error ? error.message : inspect(error)
  process.stderr.write(`headgate: ${message.split('\n')[0]}\n`)
  if (verbose) process.stderr.write(`${inspect(error)}\n`)
  process.exit(1)
}

function welcome(address: string): string {
  // The only certificate that it may have here is one that nobody vouches for.
  const curl = address.startsWith('https:') ? 'curl -k' : 'curl'
  return `
Headgate listens on ${address} and balances three demo origins: alder, birch (slow) and cedar (fails at times). Try:

  ${curl} ${address}/
  ${curl} -N ${address}/events
  ${curl} -d 'some bytes' ${address}/upload

Stop it with Ctrl-C. To use your own origins, set HEADGATE_UPSTREAM; to write your own gateway, run headgate --help.

`
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}

function print(text: string): void {
  process.stdout.write(text)
}
