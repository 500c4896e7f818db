import type { Endpoint } from '../../src/index.js'
import { digest, empty, update, updateText } from './crc32.js'
import type { Places } from './hashed.js'

const pointsOfWeight = 160

/** 34 MB; with more, a weight has fewer points than nginx gives it. */
const mostPoints = 4_194_304

/**
 * The circle of nginx's `hash … consistent` (ketama): each endpoint has 160 points for each of its weight, and a key
 * belongs to the first point at or after its own.
 */
export class Ring implements Places {
  readonly size: number
  /** Each point and behind it its owner, so that both are in the processor's hands at once. */
  readonly #points: Uint32Array
  /** Points are spread evenly: the leading bits of one tell where it is to within a few. */
  readonly #starts: Uint32Array
  readonly #shift: number

  constructor(endpoints: readonly Endpoint[]) {
    const wanted = endpoints.reduce((sum, { weight }) => sum + weight * pointsOfWeight, 0)
    const scale = Math.min(1, mostPoints / wanted)
    const counts = endpoints.map(({ weight }) => Math.max(1, Math.floor(weight * pointsOfWeight * scale)))
    const points = new Uint32Array(2 * counts.reduce((sum, count) => sum + count, 0))
    let place = 0
    for (const [owner, endpoint] of endpoints.entries()) {
      place = chain(endpoint, owner, counts[owner] as number, points, place)
    }
    const sorted = sort(points)
    this.size = deduplicate(sorted)
    this.#points = sorted
    this.#shift = Math.min(31, Math.clz32(this.size) + 2)
    this.#starts = index(sorted, this.size, this.#shift)
  }

  /** The place of the first point at or after a hash. */
  find(hash: number): number {
    const { size } = this
    let place = this.#starts[hash >>> this.#shift] as number
    while (place < size && (this.#points[2 * place] as number) < hash) place++
    return place === size ? 0 : place
  }

  owner(place: number): number {
    return this.#points[2 * place + 1] as number
  }
}

/** crc32 of HOST \0 PORT and the point before, its low byte first: compatible with Cache::Memcached::Fast. */
function chain(endpoint: Endpoint, owner: number, count: number, points: Uint32Array, place: number): number {
  const base = updateText(empty, serverName(endpoint))
  let previous = 0
  for (let i = place; i < place + count; i++) {
    let state = update(base, previous)
    state = update(state, previous >>> 8)
    state = update(state, previous >>> 16)
    state = update(state, previous >>> 24)
    previous = digest(state)
    points[2 * i] = previous
    points[2 * i + 1] = owner
  }
  return place + count
}

/** As it is written in the options: nginx knows no default port. A base path, which it does not know, is added. */
function serverName({ options, address, basePath }: Endpoint): string {
  if ('path' in address) return `${address.path}\0${basePath}`
  const written = options.url.replace(/^\w+:\/\//, '').replace(/\/.*$/, '')
  const [, host = written, port = ''] = /^(.*):(\d*)$/.exec(written) ?? []
  return `${host}\0${port}${basePath}`
}

/** By radix, 11 bits at a time: it keeps the order of equals, and a comparison sort of a million takes a second. */
function sort(points: Uint32Array): Uint32Array {
  let from = points
  let to: Uint32Array = new Uint32Array(points.length)
  for (const shift of [0, 11, 22]) {
    const places = new Uint32Array(2_049)
    for (let i = 0; i < from.length; i += 2) (places[(((from[i] as number) >>> shift) & 2_047) + 1] as number)++
    for (let digit = 0; digit < 2_048; digit++) (places[digit + 1] as number) += places[digit] as number
    for (let i = 0; i < from.length; i += 2) {
      const place = (places[((from[i] as number) >>> shift) & 2_047] as number)++
      to[2 * place] = from[i] as number
      to[2 * place + 1] = from[i + 1] as number
    }
    ;[from, to] = [to, from]
  }
  return from
}

/** Of points at one place the first counts. @returns how many are left */
function deduplicate(points: Uint32Array): number {
  let last = 0
  for (let i = 2; i < points.length; i += 2) {
    if (points[i] === points[last]) continue
    last += 2
    points[last] = points[i] as number
    points[last + 1] = points[i + 1] as number
  }
  return last / 2 + 1
}

function index(points: Uint32Array, size: number, shift: number): Uint32Array {
  const starts = new Uint32Array(2 ** (32 - shift)).fill(size)
  for (let i = size - 1; i >= 0; i--) starts[(points[2 * i] as number) >>> shift] = i
  // Where no point has these leading bits, the next one is the first at or after.
  for (let i = starts.length - 2; i >= 0; i--) if (starts[i] === size) starts[i] = starts[i + 1] as number
  return starts
}
