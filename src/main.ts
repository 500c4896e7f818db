#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { blame, importAppFile, isApp } from './app-file.js'
import { explainListen, help, parse, type RunCommand } from './cli.js'

let app: FastifyInstance | undefined
let verbose = /^(debug|trace)$/i.test(process.env.LOG_LEVEL ?? '')
let stopping: { signal: NodeJS.Signals; at: number } | undefined

// From the start: process 1 of a container has no default action for signals.
process.on('SIGINT', stop)
process.on('SIGTERM', stop)
// Rejections that nobody handles arrive here as well.
process.on('uncaughtException', error => {
  app?.log.fatal(error, 'stopped by an error that nothing handled')
  fail(error)
})
main().catch(error => {
  // Told to stop while it was still starting, a gateway has not failed.
  if (stopping === undefined) fail(error)
})

async function main(): Promise<void> {
  const command = parse(process.argv.slice(2), process.env)
  if (command.name === 'help') return print(help)
  if (command.name === 'version') return print(`${version()}\n`)
  const { file, check, host, port, logLevel } = command
  verbose = logLevel === 'debug' || logLevel === 'trace'

  await load(command)
  if (app === undefined) return
  try {
    await app.ready()
    if (check) {
      print(`${app.printRoutes({ commonPrefix: false })}\n${app.printPlugins()}`)
      await app.close()
      process.exit(0)
    }
  } catch (error) {
    throw file === undefined ? error : blame(file, error)
  }
  const address = await app.listen({ host, port }).catch(error => {
    throw explainListen(error, { host, port })
  })
  if (file === undefined && !process.env.HEADGATE_UPSTREAM) print(welcome(address))
  // Without a logger, nothing else says it.
  else if (app.log.level === undefined) print(`Headgate listens on ${address}\n`)
}

/** Sets `app` instead of returning it: an app is thenable, so that returning it from an async function would boot it. */
async function load({ file, check, logLevel }: RunCommand): Promise<void> {
  const { define } = file === undefined ? { define: (await import('./app.js')).default } : await importAppFile(file)
  if (isApp(define)) {
    app = define
    return
  }
  // Not at the top: --help and mistakes on the command line do not wait for it.
  const { gateway } = await import('./index.js')
  app = gateway({ logger: { level: logLevel }, accessLog: true })
  // Not encapsulated: what the file sets, such as a not-found handler, is meant for the whole gateway.
  const root = async (app: FastifyInstance) => {
    await define(app, { check })
  }
  app.register(fp(root, { name: basename(file ?? 'app') }))
}

function stop(signal: NodeJS.Signals): void {
  if (stopping !== undefined) {
    // npm passes a Ctrl-C on that the terminal has sent to the whole group already: that is one request, not two.
    if (stopping.signal === signal && performance.now() - stopping.at < 500) return
    process.exit(1)
  }
  stopping = { signal, at: performance.now() }
  if (app === undefined) process.exit(0)
  app.log.info(`${signal}: finishing the requests in flight`)
  app.close().then(() => process.exit(0), fail)
}

function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : inspect(error)
  process.stderr.write(`headgate: ${message.split('\n')[0]}\n`)
  if (verbose) process.stderr.write(`${inspect(error)}\n`)
  process.exit(1)
}

function welcome(address: string): string {
  return `
Headgate listens on ${address} and balances three demo origins: alder, birch (slow) and cedar (fails at times). Try:

  curl ${address}/
  curl -N ${address}/events
  curl -d 'some bytes' ${address}/upload

Stop it with Ctrl-C. To use your own origins, set HEADGATE_UPSTREAM; to write your own gateway, run headgate --help.

`
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}

function print(text: string): void {
  process.stdout.write(text)
}
