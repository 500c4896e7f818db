import { fastifyCookie } from '@fastify/cookie'
import { OptionsError } from '../../src/index.js'

/** The options of the cookie, checked by the schema. */
export interface CookieOptions {
  cookie: string
  path?: string
  domain?: string
  maxAge?: number
  httpOnly: boolean
  secure: boolean | 'auto'
  sameSite: 'strict' | 'lax' | 'none'
  partitioned: boolean
}

/** Answers the Set-Cookie field for a value, for a client on https or not. */
export type Write = (value: string, https: boolean) => string

/** @throws OptionsError on what every browser would refuse */
export function cookieWriter(options: CookieOptions, prefix: string): Write {
  const { cookie, secure, maxAge, path = pathOf(prefix), ...rest } = options
  check({ ...options, path })
  const shared = {
    ...rest,
    path,
    ...(maxAge === undefined ? {} : { maxAge: Math.floor(maxAge / 1_000) }),
    encode: (value: string) => value
  }
  return (value, https) =>
    fastifyCookie.serialize(cookie, value, { ...shared, secure: secure === 'auto' ? https : secure })
}

/** So that the upstreams of two scopes do not overwrite each other's. A parameter is no path: it ends in front of it. */
function pathOf(prefix: string): string {
  return prefix.replace(/\/[^/]*[:*(].*$/, '') || '/'
}

function check({ cookie, secure, sameSite, partitioned, domain, path }: CookieOptions): void {
  const fail = (demand: string) => new OptionsError(`sticky: ${demand}`)
  if (/^__(?:host|secure)-/i.test(cookie) && secure !== true) throw fail(`the cookie ${cookie} demands secure: true`)
  if (/^__host-/i.test(cookie) && (domain !== undefined || path !== '/')) {
    throw fail(`the cookie ${cookie} demands path: '/' and no domain`)
  }
  // With 'auto', browsers take it over https alone, which is what the name says.
  if (sameSite === 'none' && secure === false) throw fail("sameSite: 'none' demands secure: true or 'auto'")
  if (partitioned && secure === false) throw fail("partitioned demands secure: true or 'auto'")
}
