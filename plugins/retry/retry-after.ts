import type { IncomingHttpHeaders } from 'node:http'

/**
 * RFC 9110 §10.2.3: "Retry-After = HTTP-date / delay-seconds". In milliseconds from now; undefined when there is none, or
 * one that cannot be read.
 */
export function retryAfter(headers: IncomingHttpHeaders, now: () => number = Date.now): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1_000
  const date = dateOf(value)
  if (date === undefined) return undefined
  // Both by the endpoint's clock, where it tells the time.
  return Math.max(0, date - (dateOf(headers.date) ?? now()))
}

/** RFC 9110 §5.6.7; Date.parse would also take `-1`, or `1.5`, for some date. */
function dateOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined
  // asctime names no zone, and means GMT as the others do.
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}
