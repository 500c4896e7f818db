import type { IncomingHttpHeaders } from 'node:http'

const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH'])

/**
 * RFC 9111 §4.4: "A cache MUST invalidate the target URI […] when it receives a non-error status code in response to an
 * unsafe request method (including methods whose safety is unknown)"; "a "non-error response" is one with a 2xx
 * (Successful) or 3xx (Redirection) status code."
 */
export function invalidates(method: string, statusCode: number): boolean {
  return !safe.has(method) && statusCode >= 200 && statusCode < 400
}

/**
 * The other URLs that an answer to an unsafe request invalidates: "a cache MAY invalidate other URIs […] in particular, the
 * URI(s) in the Location and Content-Location response header fields (if present) are candidates"; "A cache MUST NOT trigger
 * an invalidation under these conditions if the origin […] of the URI to be invalidated differs from that of the target URI".
 *
 * @param url of the request
 */
export function alsoInvalidated(
  url: string,
  { location, 'content-location': contentLocation }: IncomingHttpHeaders
): string[] {
  const also: string[] = []
  for (const reference of [location, contentLocation]) {
    const other = reference === undefined ? undefined : resolve(reference, url)
    if (other !== undefined && other !== url && !also.includes(other)) also.push(other)
  }
  return also
}

/** Undefined when it is elsewhere, or cannot be read. */
export function resolve(reference: string, url: string): string | undefined {
  if (!URL.canParse(reference, url)) return undefined
  const { origin, pathname, search } = new URL(reference, url)
  if (origin !== new URL(url).origin) return undefined
  return url.slice(0, url.indexOf('/', url.indexOf('//') + 2)) + pathname + search
}

/** The keys under which another URL may be stored, as a filter has written the path of this one. */
export function keysOf(also: string, url: string, key: string | undefined): string[] {
  const line = key?.indexOf('\n') ?? -1
  if (key === undefined || line < 0) return [also]
  const mapped = rewritten(also, url, key.slice(line))
  return mapped === undefined ? [also] : [also, also + mapped]
}

/** A filter that takes away or adds a prefix does so for the other path, too. */
function rewritten(also: string, url: string, line: string): string | undefined {
  let same = 0
  while (same < Math.min(url.length, line.length) && url[url.length - 1 - same] === line[line.length - 1 - same]) same++
  const before = url.slice(0, url.length - same)
  return also.startsWith(before) ? line.slice(0, line.length - same) + also.slice(before.length) : undefined
}
