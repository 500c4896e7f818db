import type { Line } from './line.js'

/** What the format has of a request beside its line. */
export interface Origin {
  referer: string | undefined
  userAgent: string | undefined
  /** Of its end, milliseconds since the epoch. */
  time: number
}

/**
 * The combined format of Apache and nginx:
 * `client - - [time] "method target protocol" status bytes "referer" "user agent"`. The name of a user is never told.
 */
export function combined(line: Line, { referer, userAgent, time }: Origin): string {
  const { method, url, protocol } = line
  const request = method === undefined ? '-' : escaped(`${method} ${url} ${protocol}`)
  const fields = `"${request}" ${line.status} ${line.sent ?? 0} "${shown(referer)}" "${shown(userAgent)}"`
  return `${line.client ?? '-'} - - [${stamp(time)}] ${fields}\n`
}

function shown(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : escaped(text)
}

/** As nginx does: what could end a value or a line, or move a terminal's cursor, becomes \xXX, byte by byte. */
export function escaped(text: string): string {
  return /^[ !#-[\]-~]*$/.test(text) ? text : text.replace(/[^ !#-[\]-~]/gu, escape)
}

function escape(character: string): string {
  const code = character.charCodeAt(0)
  // What came over the wire is bytes; only `inject` has more.
  const bytes = code < 256 && character.length === 1 ? [code] : [...Buffer.from(character)]
  return bytes.map(byte => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (value: number) => String(value).padStart(2, '0')

let lastSecond = -1
let lastStamp = ''

/** Made once a second: `10/Oct/2000:13:55:36 -0700`, in local time. */
function stamp(time: number): string {
  const second = Math.floor(time / 1_000)
  if (second !== lastSecond) {
    lastSecond = second
    lastStamp = local(new Date(time))
  }
  return lastStamp
}

function local(date: Date): string {
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`
  const day = `${two(date.getDate())}/${months[date.getMonth()]}/${date.getFullYear()}`
  return `${day}:${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`
}
