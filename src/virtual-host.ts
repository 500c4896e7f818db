import assert from 'node:assert'
import type { IncomingMessage } from 'node:http'

/** What the router asks of a strategy for one key of a route's `constraints`. */
export interface HostStrategy {
  name: 'host'
  mustMatchWhenDerived: boolean
  storage(): { get(host: string | RegExp): unknown; set(host: string | RegExp, value: unknown): void }
  deriveConstraint(request: IncomingMessage): string | undefined
  validate(value: unknown): void
}

/**
 * The `host` constraint of routes, by the name that is meant: RFC 9110 §4.2.3, a host is "case-insensitive", and the
 * port that a client writes behind it says how it came here, not where it wants to go. Fastify's own compares bytes, so
 * that `Host: api.example:8080` misses the routes of `api.example`. A constraint with a port is for that port alone; a
 * RegExp is asked about the name.
 */
export function virtualHosts(): HostStrategy {
  return { name: 'host', mustMatchWhenDerived: false, storage, deriveConstraint, validate }
}

function deriveConstraint({ headers }: IncomingMessage): string | undefined {
  return headers.host?.toLowerCase()
}

/** Without its port; a trailing dot marks a name as absolute and is the same name. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '')
}

/** The router keeps a bit for each route here, and reads them back, by the constraint itself, while it adds more. */
function storage(): ReturnType<HostStrategy['storage']> {
  const hosts = new Map<string, unknown>()
  const patterns = new Map<string, { pattern: RegExp; value: unknown }>()
  return {
    get(host) {
      if (typeof host !== 'string') return patterns.get(String(host))?.value
      const exact = hosts.get(host)
      if (exact !== undefined) return exact
      const name = nameOf(host)
      const named = hosts.get(name)
      if (named !== undefined) return named
      for (const { pattern, value } of patterns.values()) if (pattern.test(name)) return value
      return undefined
    },
    set(host, value) {
      if (typeof host === 'string') hosts.set(host.toLowerCase().replace(/\.$/, ''), value)
      // With g or y an expression remembers where it was.
      else patterns.set(String(host), { pattern: new RegExp(host.source, host.flags.replace(/[gy]/g, '')), value })
    }
  }
}

function validate(value: unknown): void {
  assert(typeof value === 'string' || value instanceof RegExp, 'a host constraint is a string or a RegExp')
}
