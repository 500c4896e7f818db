import type { OutgoingHttpHeaders } from 'node:http'
import { now } from './date.js'

type Value = string | number | readonly string[] | undefined
/** What `writeHead` is given. */
export type Values = OutgoingHttpHeaders | readonly Value[]

/** RFC 9113 §8.2.2. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
])

const token = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const unsendable = /[^\t\x20-\x7e\x80-\xff]/

/** Names as they are sent, by how they were given; an empty one is not sent. */
const names = new Map<string, string>()
/** A gateway meets few; an upstream might make up more. */
const mostNames = 1_000

/**
 * Adds a field to those of an answer, if it is one that HTTP/2 has.
 * @returns whether it is Date
 * @throws TypeError of node:http for what cannot be sent
 */
export function add(fields: string[], given: string, value: Value): boolean {
  const name = names.get(given) ?? learn(given)
  if (value === undefined || name === '') return false
  if (typeof value === 'string') fields.push(name, checked(name, value))
  else if (Array.isArray(value)) for (const one of value) fields.push(name, checked(name, String(one)))
  else fields.push(name, checked(name, String(value)))
  return name === 'date'
}

/** All of an object. @returns whether Date is among them */
export function addAll(fields: string[], values: OutgoingHttpHeaders): boolean {
  let dated = false
  for (const name in values) if (add(fields, name, values[name])) dated = true
  return dated
}

/**
 * The head of an answer: what was set before, unless it is given now, and what is given.
 * @param dates whether Date is added where there is none (RFC 9110 §6.6.1)
 */
export function headOf(
  status: string,
  set: OutgoingHttpHeaders | undefined,
  values: Values | undefined,
  dates: boolean
): string[] {
  const fields = [':status', status]
  const list = Array.isArray(values) ? values : undefined
  const given = list === undefined ? (values as OutgoingHttpHeaders | undefined) : undefined
  let dated = false
  for (const name in set) {
    if (given !== undefined && name in given) continue
    if (add(fields, name, set[name])) dated = true
  }
  if (given !== undefined && addAll(fields, given)) dated = true
  if (list !== undefined) {
    for (let at = 0; at < list.length; at += 2) if (add(fields, String(list[at]), list[at + 1])) dated = true
  }
  if (!dated && dates) fields.push('date', now())
  return fields
}

function learn(given: string): string {
  const lower = given.toLowerCase()
  if (!token.test(lower)) {
    throw Object.assign(new TypeError(`Header name must be a valid HTTP token ["${given}"]`), {
      code: 'ERR_INVALID_HTTP_TOKEN'
    })
  }
  const name = dropped.has(lower) ? '' : lower
  if (names.size < mostNames) names.set(given, name)
  return name
}

function checked(name: string, value: string): string {
  if (unsendable.test(value)) {
    throw Object.assign(new TypeError(`Invalid character in header content ["${name}"]`), { code: 'ERR_INVALID_CHAR' })
  }
  const { length } = value
  if (length === 0) return value
  // RFC 9113 §8.2.1: no value may begin or end with white space.
  return isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(length - 1)) ? value.trim() : value
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
