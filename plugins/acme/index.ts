/**
 * Certificates from Let's Encrypt and other authorities that speak ACME, kept on disk for the plugin `tls`, and renewed.
 * @module
 */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { OptionsError, plugin, scopeOf } from '../../src/index.js'
import { read } from '../tls/source.js'
import { findAcme } from './api.js'
import { Authority } from './authority.js'
import { Challenges } from './challenges.js'
import { Failures } from './failures.js'
import { addHttp01 } from './http-01.js'
import { Lock } from './lock.js'
import { addMetrics, Tally } from './metrics.js'
import { checkOptions, options } from './options.js'
import type { Prepared } from './prepare.js'
import { Renewer } from './renewer.js'
import { disown, pathsOf } from './storage.js'
import { TlsAlpn01 } from './tls-alpn-01.js'
import type { Wanted } from './wanted.js'

export type { AcmeOptions } from './options.js'

findAcme()

const day = 86_400_000

/** Milliseconds that a connection without a word still has when the gateway closes. */
const settling = 1_000

/** Topics of the workers. */
const announced = 'acme challenges'
const renewing = 'acme renew'

/**
 * Registered once, in the root scope, before `tls`, which is given its files.
 *
 * @example
 * app.register(acme, { hosts: ['a.example'], email: 'me@a.example', termsOfServiceAgreed: true })
 * app.register(tls, app => ({ certificates: app.acme.certificates }))
 */
export default plugin({ name: 'acme', options, required: ['hosts'] }, async (app, given) => {
  const { log, workers } = app
  checkPlace(app)
  const { certificates, directory, storage } = checkOptions(given)
  const ca = given.ca === undefined ? undefined : (await authorities(given.ca)).map(({ bytes }) => bytes)
  await prepare(app, storage, certificates)

  const challenges = new Challenges(storage)
  const announce = async () => {
    if (given.challenge === 'tls-alpn-01') await workers.gather(announced)
  }
  if (given.challenge === 'http-01') addHttp01(app, challenges)
  else await addTlsAlpn01(app, challenges)

  const tally = new Tally()
  const failures = new Failures({
    storage,
    directory,
    now: Date.now,
    random: Math.random,
    onError: err => log.error({ err }, 'acme: a failure cannot be written down')
  })
  let renewer: Renewer | undefined
  let closed: Promise<void> = Promise.resolve()
  const stop = () => {
    const ending = renewer
    renewer = undefined
    tally.next.clear()
    if (ending !== undefined) closed = Promise.all([closed, ending.close()]).then(() => {})
  }
  const begin = () => {
    renewer = new Renewer({
      storage,
      certificates,
      directory,
      renewBefore: given.renewBefore * day,
      failures,
      lock: new Lock(join(storage, 'lock')),
      log,
      open: () => new Authority({ ...given, url: directory, ca, storage, challenges, announce, log }),
      tidy: async () => {
        await challenges.clear()
        await announce()
      },
      now: Date.now,
      random: Math.random,
      onRenewed: (_wanted, outcome) => tally.outcomes[outcome]++,
      onPlanned: ({ hosts }, at) => {
        for (const host of hosts) tally.next.set(host, Math.max(at, Date.now()))
      }
    })
    renewer.start()
    return stop
  }

  workers.subscribe(renewing, (names: string[]) => {
    for (const name of names) failures.excuse(name)
    renewer?.start()
  })
  app.decorate('acme', {
    certificates: certificates.map(wanted => ({ hosts: [...wanted.hosts], ...pathsOf(storage, wanted) })),
    async renew(name?: string) {
      const chosen = certificates.filter(wanted => name === undefined || wanted.name === name)
      if (chosen.length === 0) throw new OptionsError(`acme: there is no certificate named ${name}`)
      for (const wanted of chosen) {
        await disown(storage, wanted)
        await failures.forget(wanted)
      }
      workers.broadcast(
        renewing,
        chosen.map(({ name }) => name)
      )
    }
  })
  app.addHook('onReady', () => addMetrics(app, tally))
  // Not before: the authority asks this gateway. And nothing is ordered for a look at the app file.
  app.addHook('onListen', async function beginRenewals() {
    workers.lead(begin)
  })
  // Whoever takes the place of this one waits for the lock.
  app.addHook('preClose', function endRenewals(done) {
    stop()
    done()
  })
  app.addHook('onClose', async function endedRenewals() {
    stop()
    await closed
  })
})

function checkPlace(app: FastifyInstance): void {
  if (scopeOf(Object.getPrototypeOf(app)) !== undefined) {
    throw new OptionsError('acme: certificates belong to the whole gateway; register it in the root scope')
  }
  if (app.hasDecorator('acme')) throw new OptionsError('acme: it is registered already; register it once')
  if (app.secured) throw new OptionsError('acme: it makes the files that tls reads; register it before tls')
}

async function authorities(given: unknown): Promise<Awaited<ReturnType<typeof read>>> {
  return read(given, 'ca').catch((error: Error) => {
    throw new OptionsError(`acme: option ca: ${error.message}`)
  })
}

async function prepare({ log, workers }: FastifyInstance, storage: string, certificates: Wanted[]): Promise<void> {
  let prepared: Prepared
  try {
    const service = new URL('./prepare.js', import.meta.url)
    prepared = (await workers.ask(service, 'prepare', storage, certificates)) as Prepared
  } catch (error) {
    throw new OptionsError(`acme: option storage is ${storage}, which cannot be used: ${(error as Error).message}`)
  }
  for (const path of prepared.closed) log.warn({ path }, 'acme: others could look into the directory of keys until now')
  for (const { name, reason, expected } of prepared.placeholders) {
    const line = { name, reason }
    if (expected) log.info(line, 'acme: a certificate that nobody vouches for stands in until there is one')
    else
      log.error(line, 'acme: a certificate is of no use; one that nobody vouches for stands in until there is another')
  }
}

async function addTlsAlpn01(app: FastifyInstance, challenges: Challenges): Promise<void> {
  const alpn = new TlsAlpn01()
  const load = async () => {
    alpn.open(await challenges.alpn())
    return true
  }
  app.workers.answer(announced, load)
  // Those of an order that another worker, or another process, has under way.
  await load()
  app.addHook('onListen', async function openChallenges() {
    await load()
  })
  app.addConnectionFilter(alpn.filter)
  app.addHook('preClose', function hurryHellos(done) {
    alpn.hurry(settling)
    done()
  })
  app.addHook('onClose', async function closeAlpn() {
    alpn.close()
  })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Of the plugin `acme`. */
    readonly acme: {
      /** What the option `certificates` of `tls` is given. */
      readonly certificates: { hosts: string[]; cert: string; key: string }[]
      /**
       * Has the certificate of this name, or all of them, ordered anew, though none is due: when a key is no longer a secret.
       * Resolves before it is.
       * @throws OptionsError for a name that none has
       */
      renew(name?: string): Promise<void>
    }
  }
}
