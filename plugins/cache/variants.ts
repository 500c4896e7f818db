import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Head, VaryIndex } from './head.js'

/**
 * What makes a variant of the value of a request field; `undefined`: as if the field were missing.
 * @param normal what would make it else
 */
export type Normalise = (name: string, value: string | undefined, normal: string | undefined) => string | undefined

export interface VariantRules {
  /** Names in Vary. */
  fields: number
  /** Answers of one URL. */
  variants: number
  /** Content codings that the upstream has, the best first; empty: nobody knows. */
  encodings: readonly string[]
  normalise: Normalise | undefined
}

/** Bytes of a value in a key; a longer one is hashed. */
const longest = 1_024

/** What RFC 9111 §4.1 lets a cache do before it compares: white space, lists over several lines, case and order. */
export class Variants {
  readonly #rules: VariantRules
  /** Of the last request: the fields that matter for one answer are mostly alike. */
  readonly #last = new Map<string, { value: string | undefined; normal: string | undefined }>()
  #generations = 0

  constructor(rules: VariantRules) {
    this.#rules = rules
  }

  /** Part of the key of the variant for this request. */
  key(index: { names: readonly string[]; generation: string }, headers: IncomingHttpHeaders): string {
    let key = `\n${index.generation}`
    for (const name of index.names) {
      const value = headers[name]
      const normal = this.normal(name, typeof value === 'object' ? value.join(', ') : value)
      // A value has no line break, so no two variants share a key.
      key += normal === undefined ? '\n-' : `\n=${normal.length > longest ? hash(normal) : normal}`
    }
    return key
  }

  /** RFC 9111 §4.1: values match when they can be transformed into each other "in a way that is semantically equivalent". */
  normal(name: string, value: string | undefined): string | undefined {
    const last = this.#last.get(name)
    if (last !== undefined && last.value === value) return last.normal
    const own = normalised(name, value, this.#rules.encodings)
    const normal = this.#rules.normalise === undefined ? own : this.#rules.normalise(name, value, own)
    if (last !== undefined || this.#last.size < 100) this.#last.set(name, { value, normal })
    return normal
  }

  /** Whether an answer with so many names may be stored. */
  takes(names: readonly string[]): boolean {
    return names.length <= this.#rules.fields
  }

  /**
   * The index with one more variant, and the key of one that is forgotten for it.
   *
   * Names of all variants make the key, so that answers that vary by different fields need not be told apart. When one is
   * new, a new generation begins, and the answers of the old one are found no more.
   *
   * @param before what stands at the URL
   */
  add(
    before: VaryIndex | undefined,
    names: readonly string[],
    head: Head,
    key: string,
    headers: IncomingHttpHeaders
  ): {
    index: VaryIndex
    key: string
    forgotten: string | undefined
  } {
    const known = before !== undefined && names.every(name => before.names.includes(name))
    let all = known ? before.names : [...new Set([...(before?.names ?? []), ...names])].sort()
    if (!this.takes(all)) all = names
    const generation = known
      ? before.generation
      : `${Math.floor(head.responseTime).toString(36)}.${this.#generations++}`
    const own = key + this.key({ names: all, generation }, headers)
    const others = known ? before.variants.filter(variant => variant.key !== own) : []
    const variants = [{ key: own, etag: head.etag }, ...others]
    const forgotten = variants.length > this.#rules.variants ? variants.pop()?.key : undefined
    const until = Math.max(head.until, known ? before.until : 0)
    const index: VaryIndex = {
      kind: 'vary',
      url: head.url,
      tags: undefined,
      time: head.time,
      until,
      names: all,
      generation,
      variants
    }
    return { index, key: own, forgotten }
  }
}

/** As RFC 9111 §4.1 lets a cache compare: without what white space, case and order say. */
export function normalised(name: string, value: string | undefined, offered: readonly string[]): string | undefined {
  if (name === 'accept-encoding') return encodings(value, offered)
  if (value === undefined) return undefined
  const members = value.split(',').map(member => member.trim().replace(/\s*;\s*/g, ';'))
  const list = members.filter(member => member !== '').join(',')
  return name === 'accept-language' || name === 'accept' || name === 'accept-charset' ? list.toLowerCase() : list
}

/**
 * RFC 9110 §12.5.3: codings in no order, each with a weight. Where it is known what the upstream has, the best of these
 * that is accepted says all.
 */
function encodings(value: string | undefined, offered: readonly string[]): string | undefined {
  if (value === undefined) return offered.length === 0 ? undefined : 'identity'
  const weights = new Map<string, number>()
  for (const member of value.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = member.split(';').map(part => part.trim())
    if (coding === '') continue
    const weight = parameters.find(parameter => parameter.startsWith('q='))
    const quality = weight === undefined ? 1 : Number(weight.slice(2))
    weights.set(coding === 'x-gzip' ? 'gzip' : coding, Number.isNaN(quality) ? 0 : quality)
  }
  if (offered.length > 0) {
    return offered.find(coding => (weights.get(coding) ?? weights.get('*') ?? 0) > 0) ?? 'identity'
  }
  return [...weights]
    .map(([coding, quality]) => (quality === 1 ? coding : `${coding};q=${quality}`))
    .sort()
    .join(',')
}

const known = new Map<string, readonly string[]>()

/** The names in a Vary field: lower-case, sorted, each once. */
export function varyNames(field: string): readonly string[] {
  let names = known.get(field)
  if (names === undefined) {
    const all = field.split(',').map(name => name.trim().toLowerCase())
    names = [...new Set(all)].filter(name => name !== '').sort()
    if (known.size >= 1_000) known.clear()
    known.set(field, names)
  }
  return names
}

function hash(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}
