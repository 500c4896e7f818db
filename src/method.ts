/** RFC 9110 §9.2.2, and the registered methods of WebDAV and QUERY that are idempotent too. */
const idempotent = new Set(
  'GET HEAD OPTIONS TRACE PUT DELETE QUERY PROPFIND PROPPATCH MKCOL COPY MOVE REPORT SEARCH'.split(' ')
)

/** Several identical requests with this method are meant to have the effect of one, so that it may be sent again. */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method)
}
