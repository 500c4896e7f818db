import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { OptionsError } from '../../src/index.js'
import { Refusal } from './problem.js'

/** What a call says of where it comes from. */
export interface Caller {
  method: string
  headers: { host?: string | undefined; origin?: string | undefined; authorization?: string | undefined }
}

export interface AccessOptions {
  host: string
  hosts: readonly string[]
  path?: string | undefined
  token?: string | undefined
}

/** Only this machine can reach it. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  return host === '::1' || host.startsWith('::ffff:127.') || host === 'localhost'
}

/** @throws OptionsError when anybody could call it */
export function checkAccess({ host, path, token }: AccessOptions): void {
  if (path !== undefined || token !== undefined || isLoopback(host)) return
  throw new OptionsError(
    `admin: option host is ${JSON.stringify(host)}, where others can reach it: set option token, or listen on 127.0.0.1 or on a unix socket (path)`
  )
}

/**
 * Who may call. Without a token, that is who can reach the address – and any page that a browser on this machine shows:
 * it may send requests here (its Origin tells), and read the answers when its own name is made to lead here (its Host
 * tells).
 */
export class Access {
  readonly #token: Buffer | undefined
  readonly #names: ReadonlySet<string> | undefined

  constructor({ host, hosts, path, token }: AccessOptions) {
    this.#token = token === undefined ? undefined : digest(token)
    // No page has the token, and no browser speaks to a socket file.
    this.#names = token === undefined && path === undefined ? new Set([host, ...hosts].map(lower)) : undefined
  }

  get asksToken(): boolean {
    return this.#token !== undefined
  }

  /** @throws Refusal 403 when another site's page may be behind it */
  checkSite({ method, headers: { host, origin } }: Caller): void {
    if (host === undefined) throw new Refusal(400, 'The field Host is missing.')
    if (this.#names !== undefined && !this.#isOurs(nameOf(host))) {
      throw new Refusal(
        403,
        `The host ${nameOf(host)} is not known here: call it by its address or as localhost, or list the name in the option hosts.`
      )
    }
    if (method === 'GET' || method === 'HEAD' || origin === undefined) return
    if (/^https?:\/\/(.*)$/.exec(origin)?.[1]?.toLowerCase() !== host.toLowerCase()) {
      throw new Refusal(403, `Pages of another site (${origin}) may change nothing here.`)
    }
  }

  /** @throws Refusal 401 without the token */
  checkToken({ headers: { authorization } }: Caller): void {
    if (this.#token === undefined) return
    const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1]
    // Digests are of one length, so that the time of the comparison tells nothing.
    if (given !== undefined && timingSafeEqual(digest(given), this.#token)) return
    const detail = given === undefined ? 'This needs a token: Authorization: Bearer …' : 'The token is another one.'
    throw new Refusal(401, detail, { 'www-authenticate': 'Bearer realm="headgate admin"' })
  }

  #isOurs(name: string): boolean {
    return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === 'localhost' || this.#names?.has(name) === true
  }
}

function nameOf(host: string): string {
  return lower(host.replace(/:\d*$/, '')).replace(/\.$/, '')
}

function lower(name: string): string {
  return name.toLowerCase()
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
