/**
 * More places where the gateway listens: other ports, with TLS or without, and socket files.
 * @module
 */
import { Type } from 'typebox'
import { beforeListen, checkOptions, OptionsError, plugin, scopeOf, type Where } from '../../src/index.js'
import { Listener, type ListenerOptions } from './listener.js'
import { listener } from './options.js'

/** As systemd and a process after this one name its socket. */
const names = /^[a-z][a-z0-9_-]*$/
/** Names of other sockets. */
const reserved = ['gateway', 'admin', 'unknown']

const registered = new WeakSet<object>()

/**
 * Registered once, in the root scope: listeners beside the gateway's own, by their names.
 *
 * @example
 * app.register(listeners, { http: { port: 80, tls: false }, internal: { path: '/run/gateway.sock', mode: 0o660 } })
 */
export default plugin(
  { name: 'listeners', options: Type.Object({}, { additionalProperties: true }) },
  (app, given: Record<string, Partial<ListenerOptions>>) => {
    if (scopeOf(Object.getPrototypeOf(app)) !== undefined) {
      throw new OptionsError('listeners: they are the whole gateway’s; register them in the root scope')
    }
    if (registered.has(app)) throw new OptionsError('listeners: they are registered already; register them once')
    registered.add(app)
    const all = Object.entries(check(given)).map(
      ([name, options]) => new Listener(app, name, options, whereOf(name, options))
    )
    app.decorate('listeners', {
      getter: () => new Map(all.flatMap(({ name, url }) => (url === undefined ? [] : [[name, url] as const])))
    })
    app.addHook('onReady', async function hasCertificates() {
      for (const [name, { tls }] of Object.entries(given)) {
        if (!tls || app.secured) continue
        throw new OptionsError(`listeners: option ${name}.tls is true, but the gateway has no certificates`)
      }
    })
    beforeListen(app.server, async () => {
      // One after the other: what goes wrong is then told in the order of the options.
      for (const listener of all) await listener.listen()
    })
    let closed: Promise<unknown> = Promise.resolve()
    app.addHook('preClose', function closeListeners(done) {
      closed = Promise.all(all.map(listener => listener.close()))
      done()
    })
    app.addHook('onClose', async function closedListeners() {
      await closed
    })
  }
)

/** Each listener with its defaults; a mistake is told by its name. */
function check(given: Record<string, unknown>): Record<string, ListenerOptions> {
  for (const name of Object.keys(given)) {
    if (names.test(name) && !reserved.includes(name)) continue
    throw new OptionsError(
      `listeners: a listener is called ${JSON.stringify(name)}, but must have a name in lower case, of letters, digits, _ and -, that is not ${reserved.join(', ')}`
    )
  }
  const schema = Type.Object(Object.fromEntries(Object.keys(given).map(name => [name, listener])))
  return checkOptions('listeners', schema, given) as Record<string, ListenerOptions>
}

function whereOf(name: string, { host, port, path, mode }: ListenerOptions): Where {
  if (path !== undefined && port !== undefined) {
    throw new OptionsError(`listeners: option ${name}.path is ${path}, but ${name}.port is ${port}; give one of them`)
  }
  if (path !== undefined) return { path, mode }
  if (mode !== undefined) {
    throw new OptionsError(`listeners: option ${name}.mode is ${mode}, but only a listener with a path has one`)
  }
  if (port === undefined) {
    throw new OptionsError(`listeners: option ${name}.port is missing: a whole number from 0 to 65535, or a path`)
  }
  return { host, port }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the listeners of the plugin `listeners` are, by name: `http://127.0.0.1:80`, `unix:/path`. */
    readonly listeners: ReadonlyMap<string, string>
  }
}
