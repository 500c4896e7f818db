/**
 * What the gateway does with a request field. Names are matched by `fieldOf`, which also gives the one shared
 * lower-case string, so that a common name is never lower-cased twice.
 */
export type FieldRule =
  /** One value; later ones are dropped, as node:http does. */
  | 'single'
  /** Values are joined with `, `. */
  | 'list'
  /** RFC 9113 §8.2.3: joined with `; `. */
  | 'cookie'
  /** RFC 9110 §7.6.1: meant for the next hop only. */
  | 'hop'
  /** Says who the client is; counts from trusted proxies only. */
  | 'forwarded'
  | 'connection'
  | 'host'
  | 'content-length'
  | 'transfer-encoding'

export interface Field {
  readonly name: string
  readonly rule: FieldRule
}

const rules: Record<FieldRule, string> = {
  single:
    'Age Authorization Content-Encoding Content-Location Content-Type Date ETag From If-Modified-Since If-Range If-Unmodified-Since Last-Modified Location Max-Forwards Range Referer Retry-After Server User-Agent',
  list: 'Accept Accept-Charset Accept-Encoding Accept-Language Access-Control-Request-Headers Access-Control-Request-Method Cache-Control Content-Disposition Content-Language DNT Expect If-Match If-None-Match Origin Pragma Priority Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version TE Traceparent Tracestate Trailer Upgrade-Insecure-Requests Via X-Requested-With X-Request-Id',
  cookie: 'Cookie',
  hop: 'HTTP2-Settings Keep-Alive Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization Proxy-Connection Upgrade',
  forwarded:
    'Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Real-IP X-Client-Cert X-SSL-Cert',
  connection: 'Connection',
  host: 'Host',
  'content-length': 'Content-Length',
  'transfer-encoding': 'Transfer-Encoding'
}

const known = new Map<string, Field>()
for (const rule of Object.keys(rules) as FieldRule[]) {
  for (const spelling of rules[rule].split(' ')) {
    const field = { name: spelling.toLowerCase(), rule }
    known.set(spelling, field).set(field.name, field)
  }
}

/** The field of a name in any spelling. */
export function fieldOf(spelling: string): Field {
  return known.get(spelling) ?? unusual(spelling)
}

function unusual(spelling: string): Field {
  const name = spelling.toLowerCase()
  const field = known.get(name)
  if (field !== undefined) return field
  return { name, rule: identity.some(beginning => name.startsWith(beginning)) ? 'forwarded' : 'list' }
}

/** So begin the fields by which proxies tell who a client is, and what its certificate says. */
const identity = ['x-forwarded-', 'x-client-cert-', 'x-ssl-client-', 'ssl-client-']

/** Fields that a client must not make the gateway drop by naming them in Connection. */
const kept = new Set(
  'age authorization cache-control content-encoding content-length content-type cookie date expect forwarded host if-match if-none-match max-forwards origin range transfer-encoding vary via x-real-ip'.split(
    ' '
  )
)

/** True when a `Connection` option may name this field: framing, routing and forwarding fields may not be dropped. */
export function nominable(name: string): boolean {
  return !kept.has(name) && !name.startsWith('x-forwarded-')
}

/** Whether a comma-separated list holds a token, whatever its case. */
export function hasToken(list: string | undefined, token: string): boolean {
  if (list === undefined) return false
  if (list.length === token.length) return list.toLowerCase() === token
  for (const item of list.split(',')) if (item.trim().toLowerCase() === token) return true
  return false
}
