import { Resolver } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { Type } from 'typebox'
import { OptionsError } from '../../src/index.js'

/** Which DNS is asked, and how often: options of `dns` and `srv`. */
export interface ResolverOptions {
  /** For endpoints with https. Default false: http. */
  secure?: boolean
  /** IPv4 addresses (4, the default), IPv6 ones (6), or `both`. */
  family?: 4 | 6 | 'both'
  /** DNS servers, as `address` or `address:port`; those of the machine by default. */
  servers?: string[]
  /** Milliseconds until a server that does not answer is asked again; each time twice as long. Default 1,000. */
  timeout?: number
  /** How often each server is asked. Default 2. */
  tries?: number
  /** The shortest time between two look-ups in milliseconds, whatever the TTL. Default 1,000. */
  minimum?: number
}

const time = (value: number) => Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: value })

export const resolverOptions = {
  secure: Type.Boolean({ default: false }),
  family: Type.Union([Type.Literal(4), Type.Literal(6), Type.Literal('both')], { default: 4 }),
  servers: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  timeout: time(1_000),
  tries: Type.Integer({ minimum: 1, maximum: 10, default: 2 }),
  minimum: time(1_000)
}

export const dnsName = Type.String({
  pattern: '^(?=.{1,254}$)(?:[A-Za-z0-9_-]{1,63}\\.)*[A-Za-z0-9_-]{1,63}\\.?$',
  title: 'a name in DNS'
})
export const maximum = time

/** What a schema cannot say of them. */
export function checkResolver(
  plugin: string,
  { servers, minimum, maximum }: ResolverOptions & { maximum?: number }
): void {
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    throw new OptionsError(`${plugin}: option minimum is ${minimum}, but must be at most maximum, which is ${maximum}`)
  }
  if (servers === undefined) return
  try {
    new Resolver().setServers(servers)
  } catch (error) {
    throw new OptionsError(`${plugin}: option servers: ${(error as Error).message}`, { cause: error })
  }
}

export interface Addresses {
  addresses: string[]
  /** How long they hold, in milliseconds. */
  lifetime: number
}

/** Asks DNS for as long as `signal` lets it. */
export class Lookup {
  readonly #resolver: Resolver
  readonly #families: readonly (4 | 6)[]
  readonly #signal: AbortSignal

  constructor(
    options: { servers?: string[]; timeout: number; tries: number; family: 4 | 6 | 'both' },
    signal: AbortSignal
  ) {
    const { servers, timeout, tries, family } = options
    this.#resolver = new Resolver({ timeout, tries })
    if (servers !== undefined) this.#resolver.setServers(servers)
    this.#families = family === 'both' ? [4, 6] : [family]
    this.#signal = signal
    signal.addEventListener('abort', this.#cancel)
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#cancel)
    this.#cancel()
  }

  /** @throws Error when there are none, or when a family could not be asked: a half of them is not what there is */
  async addresses(name: string): Promise<Addresses> {
    const answers = await Promise.all(this.#families.map(family => this.#ask(name, family)))
    const records = answers.flat()
    if (records.length === 0) throw new NoSuchName(`there are no addresses for ${name} in DNS`)
    // The order of an answer is chance; where order counts (hashing), gateways are to agree.
    const addresses = [...new Set(records.map(({ address }) => address))].sort()
    // Node tells the TTLs of the first 256 records alone.
    const ttls = records.map(({ ttl }) => ttl).filter(ttl => ttl !== undefined)
    return { addresses, lifetime: Math.min(...ttls) * 1_000 }
  }

  async services(name: string) {
    try {
      return await this.#resolver.resolveSrv(name)
    } catch (error) {
      throw isMissing(error) ? new NoSuchName(`there are no SRV records for ${name} in DNS`) : error
    }
  }

  async #ask(name: string, family: 4 | 6) {
    try {
      return family === 4
        ? await this.#resolver.resolve4(name, { ttl: true })
        : await this.#resolver.resolve6(name, { ttl: true })
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  readonly #cancel = (): void => this.#resolver.cancel()
}

/** DNS has answered, and has nothing of that name. */
export class NoSuchName extends Error {}

/** NXDOMAIN and NODATA. */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTFOUND' || code === 'ENODATA'
}

export function urlOf(secure: boolean, address: string, port: number): string {
  return `http${secure ? 's' : ''}://${isIPv6(address) ? `[${address}]` : address}:${port}`
}

/** As it is written in a Host field: without the port that goes without saying. */
export function authorityOf(secure: boolean, name: string, port: number): string {
  const host = name.replace(/\.$/, '')
  return port === (secure ? 443 : 80) ? host : `${host}:${port}`
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
