/** What the parser does with a field of an answer. */
export const kind = {
  /** Values are joined with `, `. */
  list: 0,
  /** May occur once; the first one counts, as in node:http. */
  single: 1,
  /** RFC 9110 §7.6.1: meant for this hop only. */
  hop: 2,
  setCookie: 3,
  contentLength: 4,
  transferEncoding: 5,
  connection: 6,
  keepAlive: 7,
  upgrade: 8,
  trailer: 9
} as const

export type Kind = (typeof kind)[keyof typeof kind]

/** A field name the parser knows: found by its bytes, so that no string is made for it. */
export interface Field {
  readonly name: string
  readonly bytes: Uint8Array
  readonly kind: Kind
  /** Connection cannot nominate it: without it the answer would mean something else. */
  readonly essential: boolean
  /** The answer it was last seen in; tells duplicates without a look-up. */
  stamp: number
  readonly next: Field | undefined
}

const single = 'age content-location content-type date etag expires last-modified location retry-after server'
const list =
  'accept-ranges access-control-allow-credentials access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers access-control-max-age allow alt-svc cache-control cdn-cache-control content-disposition content-encoding content-language content-range content-security-policy cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy link nel origin-agent-cluster permissions-policy pragma priority proxy-status ratelimit-limit ratelimit-remaining ratelimit-reset referrer-policy report-to sec-websocket-accept sec-websocket-extensions sec-websocket-protocol server-timing strict-transport-security surrogate-control tracestate traceparent vary via warning www-authenticate x-accel-buffering x-cache x-content-type-options x-dns-prefetch-control x-download-options x-frame-options x-permitted-cross-domain-policies x-powered-by x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset x-request-id x-response-time x-runtime x-xss-protection'
const hop = 'http2-settings proxy-authenticate proxy-authentication-info proxy-connection te'
const essential = new Set(
  'age cache-control content-encoding content-language content-length content-location content-range content-type date etag expires host last-modified location set-cookie vary www-authenticate'.split(
    ' '
  )
)

/** The same by name, for answers whose names are strings already. */
const kinds = new Map<string, Kind>()

const slots = 512
const table: (Field | undefined)[] = new Array<Field | undefined>(slots).fill(undefined)

/** For each byte of a token its lower-case byte, 0 for all others (RFC 9110 §5.6.2). */
export const tokenByte = new Uint8Array(256)
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  tokenByte[char.charCodeAt(0)] = char.charCodeAt(0)
  tokenByte[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0)
}

/** 1 for each byte of a field value: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). */
export const valueByte = new Uint8Array(256).fill(1, 0x20)
valueByte[0x09] = 1
valueByte[0x7f] = 0

/** One step of the hash the parser keeps while it reads a name; a macro in spirit. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0
  for (const byte of bytes) hash = (hash * 31 + byte) | 0
  return hash
}

function know(name: string, kind: Kind): void {
  const bytes = Uint8Array.from(name, char => char.charCodeAt(0))
  const slot = hashOf(bytes) & (slots - 1)
  kinds.set(name, kind)
  table[slot] = { name, bytes, kind, essential: essential.has(name), stamp: 0, next: table[slot] }
}

for (const name of single.split(' ')) know(name, kind.single)
for (const name of list.split(' ')) know(name, kind.list)
for (const name of hop.split(' ')) know(name, kind.hop)
know('set-cookie', kind.setCookie)
know('content-length', kind.contentLength)
know('transfer-encoding', kind.transferEncoding)
know('connection', kind.connection)
know('keep-alive', kind.keepAlive)
know('upgrade', kind.upgrade)
know('trailer', kind.trailer)

/** The known field whose name, in any case, are the bytes from start to end; `hash` is theirs in lower case. */
export function fieldAt(buffer: Uint8Array, start: number, end: number, hash: number): Field | undefined {
  let field = table[hash & (slots - 1)]
  search: while (field !== undefined) {
    const bytes = field.bytes
    if (bytes.length === end - start) {
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== tokenByte[buffer[start + i] as number]) {
          field = field.next
          continue search
        }
      }
      return field
    }
    field = field.next
  }
  return undefined
}

/** What is done with a field, by its name in lower case. */
export function kindOf(name: string): Kind | undefined {
  return kinds.get(name)
}

/** RFC 9110 §6.5.1: fields that frame, route, authorise or describe a message come before its body or not at all. */
const untrailed = new Set(
  'age authorization cache-control connection content-encoding content-length content-range content-type cookie date expect expires forwarded host http2-settings if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive location max-forwards proxy-authenticate proxy-authorization proxy-connection range retry-after set-cookie te trailer transfer-encoding upgrade vary via www-authenticate x-real-ip'.split(
    ' '
  )
)

export function mayTrail(name: string): boolean {
  return !untrailed.has(name) && !name.startsWith('x-forwarded-')
}
