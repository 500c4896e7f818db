const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

/** RFC 9110 §5.6.7: the form that is sent, and two obsolete ones that a recipient must take. */
const imf = /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat), (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/i
const rfc850 = /^(\w{6,9}), (\d\d)-(\w{3})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/i
const asctime = /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) (\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i

/** The last one is asked for again and again: the Date of this second, the Last-Modified of this file. */
let known = ''
let time: number | undefined

/**
 * An HTTP-date in milliseconds since the epoch; undefined when it is none. Stricter than `Date.parse`, which takes what
 * other caches on the way take for invalid, and so expired; case alone is forgiven, as "recipients of timestamp values are
 * encouraged to be robust".
 *
 * @example
 * httpDate('Sun, 06 Nov 1994 08:49:37 GMT') // 784111777000
 */
export function httpDate(value: string | undefined): number | undefined {
  if (value === undefined || value.length < 24 || value.length > 33) return undefined
  if (value === known) return time
  known = value
  time = read(value)
  return time
}

function read(value: string): number | undefined {
  let parts = imf.exec(value)
  if (parts !== null) return moment(parts[4], parts[3], parts[2], parts[5], parts[6], parts[7])
  parts = rfc850.exec(value)
  if (parts !== null && days.includes((parts[1] as string).toLowerCase())) {
    return moment(String(fullYear(Number(parts[4]))), parts[3], parts[2], parts[5], parts[6], parts[7])
  }
  parts = asctime.exec(value)
  return parts === null ? undefined : moment(parts[7], parts[2], parts[3], parts[4], parts[5], parts[6])
}

/**
 * "Recipients of a timestamp value in rfc850-date format, which uses a two-digit year, MUST interpret a timestamp that
 * appears to be more than 50 years in the future as representing the most recent year in the past that had the same last
 * two digits."
 */
function fullYear(digits: number): number {
  const now = new Date().getUTCFullYear()
  const year = now - (now % 100) + digits
  return year > now + 50 ? year - 100 : year
}

function moment(...[year, month, day, hour, minute, second]: (string | undefined)[]): number | undefined {
  const index = months.indexOf((month as string).toLowerCase())
  // A leap second is the first one of the next minute.
  if (index < 0 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  const start = Date.UTC(Number(year), index, Number(day))
  if (new Date(start).getUTCDate() !== Number(day)) return undefined
  return start + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000
}
