/**
 * Statuses whose meaning for a cache this one knows (RFC 9111 §3: "understands and conforms to"): those of RFC 9110 that are
 * final, but for the partial and the not modified answers, which have rules of their own.
 */
const understood: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409,
  410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505
])

export function isUnderstood(statusCode: number): boolean {
  return understood.has(statusCode)
}

/** Failures: of a service that has enough to do, and not of what it was asked (RFC 5861 §4). */
const failures: ReadonlySet<number> = new Set([500, 502, 503, 504])

export function isFailure(statusCode: number): boolean {
  return failures.has(statusCode)
}
