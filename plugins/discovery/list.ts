import { Endpoint, type Labels } from '../../src/index.js'

/** One endpoint of a list, with nothing left out and its url in the form that an upstream knows it by. */
export interface Entry {
  readonly url: string
  /** As the source has it: a ring knows its members by what is written. */
  readonly written: string
  readonly weight: number
  readonly priority: number
  readonly labels: Labels
  readonly authority: string | undefined
}

/** By url. */
export type Entries = ReadonlyMap<string, Entry>

const keys = new Set(['url', 'weight', 'priority', 'labels', 'authority'])

/**
 * Reads a whole list, or refuses it: half of a list would take away endpoints for a typing mistake.
 *
 * An endpoint that is there twice in the same words counts once; in different words the list is refused.
 * @param before the last list: what is in it unchanged was checked then
 * @throws Error that names the entry
 */
export function readList(list: unknown, limit: number, before: Entries): Entries {
  if (!Array.isArray(list)) throw new Error(`${show(list)} is no list of endpoints`)
  if (list.length > limit) throw new Error(`there are ${list.length} endpoints, more than the limit of ${limit}`)
  const entries = new Map<string, Entry>()
  for (const [index, given] of list.entries()) {
    const fail = (problem: string) => new Error(`entry ${index + 1}: ${problem}`)
    const entry = check(readEntry(given, fail), before, fail)
    const twin = entries.get(entry.url)
    if (twin !== undefined && !(same(twin, entry) && twin.weight === entry.weight)) {
      throw fail(`${entry.url} is there twice, and not the same`)
    }
    entries.set(entry.url, entry)
  }
  return entries
}

/** Alike but for their weights: what the endpoint of one has, that of the other has, too. */
export function same(one: Entry, other: Entry): boolean {
  if (one.priority !== other.priority || one.authority !== other.authority) return false
  const names = Object.keys(one.labels)
  if (names.length !== Object.keys(other.labels).length) return false
  return names.every(name => Object.hasOwn(other.labels, name) && one.labels[name] === other.labels[name])
}

type Fail = (problem: string) => Error

function readEntry(given: unknown, fail: Fail): Entry {
  const input = typeof given === 'string' ? { url: given } : given
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw fail(`${show(given)} is neither a url nor an object { url }`)
  }
  // A misspelt weight would be one that is left out.
  const odd = Object.keys(input).find(key => !keys.has(key))
  if (odd !== undefined) throw fail(`there is no ${odd}; an endpoint has ${[...keys].join(', ')}`)
  const { url, weight, priority, labels, authority } = input as Record<string, unknown>
  if (typeof url !== 'string') throw fail(`its url is ${show(url)}, but must be a string`)
  return {
    url,
    written: url,
    weight: readNumber('weight', weight ?? 1, fail),
    priority: readNumber('priority', priority ?? 0, fail),
    labels: readLabels(labels ?? {}, fail),
    authority: readAuthority(authority ?? undefined, fail)
  }
}

function readNumber(name: string, value: unknown, fail: Fail): number {
  if (typeof value === 'number') return value
  throw fail(`its ${name} is ${show(value)}, but must be a whole number`)
}

function readLabels(value: unknown, fail: Fail): Labels {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!plain) throw fail(`its labels are ${show(value)}, but must be an object of strings`)
  for (const [name, label] of Object.entries(value)) {
    if (typeof label !== 'string') throw fail(`its label ${name} is ${show(label)}, but must be a string`)
  }
  return value as Labels
}

function readAuthority(value: unknown, fail: Fail): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw fail(`its authority is ${show(value)}, but must be a string`)
}

/** An endpoint itself knows best what it can be made from; nothing opens before it is asked. */
const trial = {
  host: 'preserve',
  timeouts: { connect: 0, response: 0, body: 0, idle: 0 },
  connections: 1,
  queue: 0,
  transport: 'http1'
} as const

function check(entry: Entry, before: Entries, fail: Fail): Entry {
  const known = before.get(entry.url)
  if (known !== undefined && known.weight === entry.weight && same(known, entry)) return known
  try {
    const { written, ...input } = entry
    return { ...entry, url: new Endpoint({ ...trial, ...input }).url }
  } catch (error) {
    throw fail((error as Error).message.replace(/^upstream: /, ''))
  }
}

function show(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
