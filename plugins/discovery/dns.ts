import { Type } from 'typebox'
import { checkOptions, type Labels } from '../../src/index.js'
import {
  authorityOf,
  checkResolver,
  clamp,
  dnsName,
  Lookup,
  maximum,
  type ResolverOptions,
  resolverOptions,
  urlOf
} from './resolver.js'
import { describe, type Source } from './source.js'
import { wait } from './wait.js'

export interface DnsOptions extends ResolverOptions {
  /** The whole name: search domains and `/etc/hosts` are not DNS. */
  name: string
  port: number
  /** The longest time between two look-ups in milliseconds, whatever the TTL. Default 300,000. */
  maximum?: number
  /** The name in Host (`host: 'rewrite'`) and TLS; the name and port looked up by default. */
  authority?: string
  /** Of each endpoint. */
  priority?: number
  labels?: Labels
}

const schema = Type.Object({
  ...resolverOptions,
  name: dnsName,
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  maximum: maximum(300_000),
  authority: Type.Optional(Type.String({ minLength: 1 })),
  priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 127 })),
  labels: Type.Optional(Type.Record(Type.String(), Type.String(), { title: 'an object of strings' }))
})

/**
 * An endpoint for each address (A, AAAA) of a name, looked up again when the first of them expires.
 *
 * @throws OptionsError
 * @example
 * app.register(discovery, { source: dns({ name: 'users.internal', port: 3000 }) })
 */
export function dns(given: DnsOptions): Source {
  const options = checkOptions('discovery: dns', schema, given) as Required<DnsOptions>
  checkResolver('discovery: dns', options)
  const { name, port, secure, minimum, maximum, priority, labels } = options
  const authority = options.authority ?? authorityOf(secure, name, port)
  const endpoint = { authority, ...(priority && { priority }), ...(labels && { labels }) }
  return describe(`dns ${name}`, async function* (signal) {
    const lookup = new Lookup(options, signal)
    try {
      while (!signal.aborted) {
        const { addresses, lifetime } = await lookup.addresses(name)
        yield addresses.map(address => ({ url: urlOf(secure, address, port), ...endpoint }))
        await wait(clamp(lifetime, minimum, maximum), signal)
      }
    } finally {
      lookup.close()
    }
  })
}
