import type { Server } from 'node:net'
import { basename } from 'node:path'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import fp from 'fastify-plugin'
import { blame, importAppFile, isApp } from './app-file.js'
import { explainListen, type RunCommand } from './cli.js'
import { giveHandle, serversBeside, takeHandle } from './listeners.js'
import { loggerFor } from './logs/pretty.js'
import { inheritedSockets } from './sockets.js'

/** One gateway in this process: loads its app, listens, puts a new one in its place, and ends it. */
export class Runner {
  readonly #command: RunCommand
  #app: FastifyInstance | undefined
  /** Those whose place was taken, until they have served who was there. */
  readonly #closing = new Set<Promise<unknown>>()
  /** Not ready yet. */
  #loading: FastifyInstance | undefined
  #loads = 0

  constructor(command: RunCommand) {
    this.#command = command
  }

  /** The one that serves, or is about to. */
  get app(): FastifyInstance | undefined {
    return this.#app ?? this.#loading
  }

  /** Whose sockets a process after this one is given, by name. */
  get servers(): ReadonlyMap<string, Server> {
    const own: [string, Server][] = this.#app === undefined ? [] : [['gateway', this.#app.server]]
    return new Map([...own, ...serversBeside()])
  }

  /** Its routes and plugins. */
  get description(): string {
    const app = this.#app
    return app === undefined ? '' : `${app.printRoutes({ commonPrefix: false })}\n${app.printPlugins()}`
  }

  /** Its log has said where it listens. */
  get told(): boolean {
    return this.#app?.log.level !== undefined
  }

  /** @throws OptionsError naming the file and its mistake */
  async load(): Promise<void> {
    const { app } = await this.#load()
    this.#app = app
  }

  /** @returns the address, for people */
  async listen(): Promise<string> {
    const { host, port } = this.#command
    const fd = inheritedSockets().get('gateway')
    const where = fd === undefined ? { host, port } : { host, fd }
    return (this.#app as FastifyInstance).listen(where as FastifyListenOptions).catch(error => {
      throw explainListen(error, { host, port })
    })
  }

  /**
   * Loads the app file anew, and lets the new app take the socket over; the modules that the file imports stay as they are.
   * @throws OptionsError when it does not come up: the app that was there goes on
   */
  async reload(): Promise<void> {
    const before = this.#app as FastifyInstance
    const { app } = await this.#load()
    const handle = takeHandle(before.server)
    try {
      await app.listen({ host: this.#command.host, handle } as FastifyListenOptions)
    } catch (error) {
      giveHandle(before.server, handle)
      await app.close()
      throw error
    }
    this.#app = app
    const closing = before.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** Resolves when all requests are answered, or cut. */
  async close(): Promise<void> {
    await Promise.all([...this.#closing, this.#loading?.close(), this.#app?.close()])
  }

  /** In an object, because an app is thenable: to return it from an async function would boot it. */
  async #load(): Promise<{ app: FastifyInstance }> {
    const { file, check, logLevel, tlsSelfSigned } = this.#command
    const { define } =
      file === undefined ? { define: (await import('./app.js')).default } : await importAppFile(file, this.#loads++)
    let app: FastifyInstance
    if (isApp(define)) app = define
    else {
      // Not at the top: --help and mistakes on the command line do not wait for it.
      const { gateway } = await import('./index.js')
      app = gateway({ logger: await loggerFor(logLevel), accessLog: true })
      // Not encapsulated: what the file sets, such as a not-found handler, is meant for the whole gateway.
      const root = async (app: FastifyInstance) => {
        await define(app, { check })
      }
      app.register(fp(root, { name: basename(file ?? 'app') }))
    }
    if (tlsSelfSigned) app.register((await import('../plugins/tls/index.js')).default, { selfSigned: true })
    this.#loading = app
    try {
      await app.ready()
    } catch (error) {
      // One that was there before goes on, and nothing of this one may stay.
      if (this.#app !== undefined) await app.close()
      throw file === undefined ? error : blame(file, error)
    } finally {
      this.#loading = undefined
    }
    return { app }
  }
}
