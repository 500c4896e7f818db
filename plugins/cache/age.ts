import { deltaSeconds } from './directives.js'
import { httpDate } from './http-date.js'

/**
 * `corrected_initial_age` of RFC 9111 §4.2.3, in milliseconds.
 *
 * A Date tells a second and not when in it, so that the last moment of that second counts: an answer made just now would
 * otherwise be half a second old on average, which is much of a short lifetime.
 *
 * @param requestTime when the request was sent; milliseconds since the epoch, as is `responseTime`
 */
export function initialAge(
  headers: { date?: string | undefined; age?: string | undefined },
  requestTime: number,
  responseTime: number
): number {
  const date = httpDate(headers.date)
  // apparent_age = max(0, response_time - date_value);
  const apparentAge = date === undefined ? 0 : Math.max(0, responseTime - date - 999)
  // response_delay = response_time - request_time;
  // corrected_age_value = age_value + response_delay;
  const correctedAge = ageValue(headers.age) + (responseTime - requestTime)
  // corrected_initial_age = max(apparent_age, corrected_age_value);
  return Math.max(apparentAge, correctedAge)
}

/**
 * §5.1: "if a message is received with a list, the recipient SHOULD use the first member of the list and ignore subsequent
 * members"; "If the field value (after discarding additional members, as per above) is invalid […] a cache SHOULD ignore
 * the field."
 */
function ageValue(field: string | undefined): number {
  if (field === undefined) return 0
  const comma = field.indexOf(',')
  return deltaSeconds((comma < 0 ? field : field.slice(0, comma)).trim()) * 1_000
}

/** `current_age` of §4.2.3: "resident_time = now - response_time; current_age = corrected_initial_age + resident_time". */
export function currentAge(head: { initialAge: number; responseTime: number }, now: number): number {
  return head.initialAge + Math.max(0, now - head.responseTime)
}
