import type { Client } from 'acme-client'
import type { FastifyBaseLogger } from 'fastify'
import { accountKey } from './account.js'
import { loadAcme } from './api.js'
import type { Challenges } from './challenges.js'
import { AcmeError } from './error.js'
import type { AcmeOptions } from './options.js'
import { order } from './order.js'
import { Transport } from './transport.js'
import type { Pair, Wanted } from './wanted.js'

export interface AuthorityOptions
  extends Pick<AcmeOptions, 'challenge' | 'email' | 'externalAccountBinding' | 'keyType'> {
  /** Its directory. */
  url: string
  ca: Buffer[] | undefined
  storage: string
  challenges: Challenges
  announce(): Promise<void>
  log: FastifyBaseLogger
}

/** Milliseconds for an order. */
const deadline = 600_000

/** The authority, for a few orders in a row. */
export class Authority {
  readonly #options: AuthorityOptions
  readonly #transport: Transport
  #client: Promise<Client> | undefined

  constructor(options: AuthorityOptions) {
    const { ca, log } = options
    this.#options = options
    const onAnswer = (method: string, url: string, status: number) => log.debug({ method, url, status }, 'acme: asked')
    this.#transport = new Transport({ ca, onAnswer })
  }

  /**
   * @param onProven told when the hosts are proven
   * @throws AcmeError; the reason of the signal when that is aborted
   */
  async order(wanted: Wanted, signal: AbortSignal, onProven: () => void): Promise<Pair> {
    const transport = this.#transport
    const late = AbortSignal.timeout(deadline)
    const both = AbortSignal.any([signal, late])
    transport.signal = both
    try {
      this.#client ??= this.#open()
      const client = await this.#client
      const retryAfter = () => transport.retryAfter
      return await order(wanted, { ...this.#options, acme: loadAcme(), client, onProven, retryAfter, signal: both })
    } catch (error) {
      // What is wrong with the account may be another matter next time.
      this.#client = undefined
      signal.throwIfAborted()
      if (late.aborted) throw new AcmeError(`the order took longer than ${deadline / 60_000} minutes`)
      throw error instanceof AcmeError ? error : new AcmeError((error as Error).message, { cause: error })
    }
  }

  close(): void {
    this.#transport.close()
  }

  async #open(): Promise<Client> {
    const { email, externalAccountBinding, log, storage, url } = this.#options
    const client = new (loadAcme().Client)({
      directoryUrl: url,
      accountKey: await accountKey(storage, log),
      ...(externalAccountBinding === undefined ? {} : { externalAccountBinding })
    })
    const inner = client as unknown as { http: { request: Transport['request'] } }
    inner.http.request = this.#transport.request
    await register(client, email)
    return client
  }
}

/**
 * Finds the account of the key, or makes one. `createAccount` alone would send an update to an account that exists, which
 * authorities refuse when there is nothing to update.
 */
async function register(client: Client, email: string | undefined): Promise<void> {
  const contact = email === undefined ? [] : [`mailto:${email}`]
  let account: Awaited<ReturnType<Client['createAccount']>>
  try {
    account = await client.createAccount({ onlyReturnExisting: true })
  } catch (error) {
    if ((error as AcmeError).type !== 'accountDoesNotExist') throw error
    await client.createAccount({ termsOfServiceAgreed: true, ...(email === undefined ? {} : { contact }) })
    return
  }
  if (String(account.contact ?? []) !== String(contact)) await client.updateAccount({ contact })
}
