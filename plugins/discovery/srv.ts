import type { SrvRecord } from 'node:dns'
import { Type } from 'typebox'
import { checkOptions, type EndpointInput } from '../../src/index.js'
import {
  type Addresses,
  authorityOf,
  checkResolver,
  clamp,
  dnsName,
  Lookup,
  maximum,
  NoSuchName,
  type ResolverOptions,
  resolverOptions,
  urlOf
} from './resolver.js'
import { describe, type Source } from './source.js'
import { wait } from './wait.js'

export interface SrvOptions extends ResolverOptions {
  /** The whole name, such as `_http._tcp.users.internal`. */
  name: string
  /** The longest time between two look-ups in milliseconds. Node does not tell the TTL of SRV records. Default 30,000. */
  maximum?: number
  /** The name in Host (`host: 'rewrite'`) and TLS; that of each record's target by default. */
  authority?: string
}

const schema = Type.Object({
  ...resolverOptions,
  name: dnsName,
  maximum: maximum(30_000),
  authority: Type.Optional(Type.String({ minLength: 1 }))
})

/**
 * The endpoints that the SRV records of a name point to: their priorities are tiers, their weights are weights.
 *
 * @throws OptionsError
 * @example
 * app.register(discovery, { source: srv({ name: '_http._tcp.users.internal' }) })
 */
export function srv(given: SrvOptions): Source {
  const options = checkOptions('discovery: srv', schema, given) as Required<SrvOptions>
  checkResolver('discovery: srv', options)
  const { name, secure, minimum, maximum, authority } = options
  /** What the targets were last, for one that cannot be looked up for a moment. */
  let last: ReadonlyMap<string, Addresses> = new Map()
  return describe(`srv ${name}`, async function* (signal) {
    const lookup = new Lookup(options, signal)
    try {
      while (!signal.aborted) {
        const records = (await lookup.services(name)).filter(({ name }) => name !== '')
        // RFC 2782: "A Target of '.' means that the service is decidedly not available at this domain."
        if (records.length === 0) throw new NoSuchName(`${name} says in DNS that there is no such service`)
        last = await resolveAll(records, lookup, last, minimum)
        yield endpoints(records, last, secure, authority)
        const lifetimes = [...last.values()].map(({ lifetime }) => lifetime)
        await wait(clamp(Math.min(...lifetimes), minimum, maximum), signal)
      }
    } finally {
      lookup.close()
    }
  })
}

/** A target without addresses is no endpoint; one that cannot be looked up just now keeps those it had. */
async function resolveAll(
  records: readonly SrvRecord[],
  lookup: Lookup,
  last: ReadonlyMap<string, Addresses>,
  minimum: number
): Promise<Map<string, Addresses>> {
  const targets = [...new Set(records.map(({ name }) => name))]
  const found = new Map<string, Addresses>()
  let reason: unknown
  await Promise.all(
    targets.map(async target => {
      try {
        found.set(target, await lookup.addresses(target))
      } catch (error) {
        const known = last.get(target)
        if (error instanceof NoSuchName) reason ??= error
        else if (known === undefined) throw error
        else found.set(target, { ...known, lifetime: minimum })
      }
    })
  )
  if (found.size === 0) throw reason
  return found
}

/** What SRV records say in the words of endpoints. */
export function endpoints(
  records: readonly SrvRecord[],
  addresses: ReadonlyMap<string, Pick<Addresses, 'addresses'>>,
  secure: boolean,
  authority?: string
): EndpointInput[] {
  const tiers = tiersOf(records)
  const inputs = new Map<string, EndpointInput & { weight: number }>()
  const sorted = [...records].sort((one, other) => one.priority - other.priority || (one.name < other.name ? -1 : 1))
  for (const { name, port, priority, weight } of sorted) {
    for (const address of addresses.get(name)?.addresses ?? []) {
      const url = urlOf(secure, address, port)
      const tier = tiers.get(priority) as number
      // RFC 2782: weight 0 is "a very small chance of being selected", and not none: it is no drain.
      const share = Math.max(1, weight)
      const twin = inputs.get(url)
      if (twin === undefined) {
        const input = { url, weight: share, priority: tier, labels: {} }
        inputs.set(url, { ...input, authority: authority ?? authorityOf(secure, name, port) })
      } else if (twin.priority === tier) {
        twin.weight = Math.min(65_535, twin.weight + share)
      }
    }
  }
  return [...inputs.values()]
}

/** Priorities as they are, so that one that comes or goes moves no other; their ranks where they do not fit. */
function tiersOf(records: readonly SrvRecord[]): Map<number, number> {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((one, other) => one - other)
  const fit = priorities.every(priority => priority <= 127)
  return new Map(priorities.map((priority, rank) => [priority, fit ? priority : Math.min(rank, 127)]))
}
