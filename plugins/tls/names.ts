import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/** What belongs to names of hosts: exact ones, and `*.example` for those with one label more (RFC 6125 §6.4.3). */
export class Names<T> {
  readonly #exact = new Map<string, T>()
  readonly #wildcards = new Map<string, T>()

  /** @throws Error when the name is taken */
  add(name: string, value: T): void {
    const [names, key] = name.startsWith('*.')
      ? [this.#wildcards, asciiName(name.slice(2))]
      : [this.#exact, asciiName(name)]
    if (names.has(key)) throw new Error(`${name} belongs to two certificates; several keys for one name are one entry`)
    names.set(key, value)
  }

  /** @param name in lower case, without a dot at its end */
  find(name: string): T | undefined {
    const exact = this.#exact.get(name)
    if (exact !== undefined || this.#wildcards.size === 0) return exact
    const dot = name.indexOf('.')
    return dot === -1 ? undefined : this.#wildcards.get(name.slice(dot + 1))
  }
}

/** As it goes over the wire. */
function asciiName(name: string): string {
  if (isIP(name)) return name
  return domainToASCII(name) || name.toLowerCase()
}

/** The name in a Host field: without port and brackets, in lower case. */
export function nameOf(host: string): string {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':', 1)[0] as string)
  return withoutDot(name.toLowerCase())
}

/** `example.` is the same host. */
export function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
