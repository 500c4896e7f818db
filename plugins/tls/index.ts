/**
 * TLS for clients: certificates by name, renewed without a restart, and clients that show certificates of their own.
 * @module
 */
import type { FastifyInstance } from 'fastify'
import { OptionsError, plugin, scopeOf } from '../../src/index.js'
import { Bucket } from './bucket.js'
import { Handshakes } from './counts.js'
import { Directory } from './directory.js'
import { warnOfExpiry } from './expiry.js'
import { FileWatch } from './file-watch.js'
import { Front } from './front.js'
import type { ClientCertificate } from './identity.js'
import { KeyLog } from './key-log.js'
import { addMetrics } from './metrics.js'
import { type Entry, type Options, options } from './options.js'
import { Renewal } from './renewal.js'
import { addRequests } from './requests.js'
import type { SelfSigned } from './self-signed.js'
import { pathsIn, reasonOf } from './source.js'
import { suites } from './suites.js'
import { Tickets } from './tickets.js'

export type { ClientCertificate } from './identity.js'

const day = 86_400_000

/** Milliseconds that a connection without a word still has when the gateway closes. */
const settling = 1_000

const selfSignedHosts = ['localhost', '127.0.0.1', '::1']

/**
 * Registered once, in the root scope: from then on connections begin with TLS. Files are read again when they change.
 *
 * @example
 * app.register(tls, { certificates: [{ hosts: ['api.example', '*.example'], cert: 'api.crt', key: 'api.key' }] })
 */
export default plugin({ name: 'tls', options }, async (app, given: Options) => {
  if (scopeOf(Object.getPrototypeOf(app)) !== undefined) {
    throw new OptionsError('tls: a connection belongs to the whole gateway; register it in the root scope')
  }
  const { handshake, keyLog, tickets: ticketOptions, watch } = given
  const { log } = app
  const entries = await entriesOf(app, given)
  const handshakes = new Handshakes()
  const tickets = new Tickets(app.workers, ticketOptions, () => {
    for (const host of directory.hosts) host.renewTickets(purpose => tickets.keys(purpose))
  })
  const common = orRefuse(() => suites(given))
  const main = app.secure({})
  const keys = keyLog === undefined ? undefined : openKeyLog(app, keyLog)
  const { ALPNProtocols } = main as unknown as { ALPNProtocols: Buffer }

  const directory = new Directory(entries, {
    // node:tls would begin its own anew with each byte.
    common: { ...common, ALPNProtocols, handshakeTimeout: 2 ** 31 - 1 },
    expired: given.expired,
    unknown: given.unknown,
    now: () => new Date(),
    ticketKeys: purpose => tickets.keys(purpose),
    onSecure: socket => {
      front.arrived(socket)
      handshakes.completed.add(socket.getProtocol() ?? 'unknown', String(socket.isSessionReused()))
      main.emit('secureConnection', socket)
    },
    onFailure: (error, socket) => {
      const reason = front.wasLate(socket) ? 'timeout' : (error.code ?? 'unknown')
      handshakes.failed.add(reason)
      log.debug({ reason, name: nameOn(socket), client: socket.remoteAddress }, reasonOf(error))
      main.emit('tlsClientError', error, socket)
    },
    onRefusal: (reason, socket) => {
      handshakes.refusedClients.add(reason)
      log.debug(
        { reason, name: nameOn(socket), client: socket.remoteAddress },
        'the certificate of a client is refused'
      )
    },
    onKey: keys?.add
  })

  const renewal = new Renewal(directory, log)
  const files = pathsIn(
    ...entries.flatMap(({ cert, key, pfx, clients }) => [cert, key, pfx, clients?.ca, clients?.crl])
  )
  const watched = new FileWatch(files, watch, renewal.begin)

  const bucket = handshake.rate === 0 ? undefined : new Bucket(handshake.rate, () => performance.now())
  const front = new Front({
    timeout: handshake.timeout,
    admit: () => bucket?.take() !== false,
    find: name => directory.find(name),
    onGone: (reason, name) => {
      handshakes.failed.add(reason)
      log.debug({ reason, name }, 'a handshake did not begin')
    }
  })
  // Theirs makes a handshake with the one certificate of that server.
  main.removeAllListeners('connection')
  main.on('connection', front.enter)

  const daily = setInterval(() => warnOfExpiry(directory.hosts, log, Date.now()), day).unref()
  app.addHook('preClose', function hurryHandshakes(done) {
    front.hurry(settling)
    done()
  })
  app.addHook('onClose', async function closeTls() {
    clearInterval(daily)
    watched.close()
    tickets.close()
    front.close()
    keys?.close()
    await renewal.end()
  })

  await tickets.open()
  await watched.open()
  try {
    await directory.open()
  } catch (error) {
    watched.close()
    tickets.close()
    throw new OptionsError(`tls: ${(error as Error).message}`)
  }
  for (const { material } of directory.hosts) for (const warning of material.warnings) log.warn(`tls: ${warning}`)
  warnOfExpiry(directory.hosts, log, Date.now())
  addRequests(app, given, directory)
  app.addHook('onReady', () => addMetrics(app, handshakes, () => directory.hosts))
})

async function entriesOf(app: FastifyInstance, { certificates, selfSigned }: Options): Promise<Entry[]> {
  if (!selfSigned) {
    if (certificates.length === 0) {
      throw new OptionsError('tls: option certificates is empty; there must be one, or selfSigned: true for a try')
    }
    if (certificates.filter(entry => entry.default === true).length > 1) {
      throw new OptionsError('tls: option certificates has several with default: true, but there can be but one')
    }
    return certificates
  }
  const service = new URL('./self-signed.js', import.meta.url)
  const { cert, key } = (await app.workers.ask(service, 'shared', selfSignedHosts)) as SelfSigned
  app.log.warn('tls: the certificate is made up, for a try; clients warn of it, and must not be used to that')
  return [...certificates, { hosts: selfSignedHosts, cert, key }]
}

function openKeyLog({ log }: FastifyInstance, path: string): KeyLog {
  const keys = orRefuse(() => new KeyLog(path, err => log.error({ err }, 'tls: the key log cannot be written')))
  log.warn(`tls: THE KEYS OF ALL SESSIONS ARE WRITTEN TO ${path}: whoever has this file can read what clients send`)
  return keys
}

function orRefuse<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new OptionsError(`tls: ${(error as Error).message}`)
  }
}

function nameOn(socket: object): string | undefined {
  return (socket as { servername?: string | false }).servername || undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What the client has shown, and was verified, where the plugin `tls` is registered. */
    readonly clientCertificate: ClientCertificate | undefined
  }
}
