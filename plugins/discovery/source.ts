import type { EndpointInput } from '../../src/index.js'

/** All endpoints there are: urls, or `{ url, weight, priority, labels, authority }`. */
export type EndpointList = readonly (string | EndpointInput)[]

/**
 * Where endpoints come from. It answers a list, or a promise of one, and is asked again after `interval`; or it is an
 * async iterator of lists, each of them whole. An iterator may yield an Error to say what failed and go on.
 *
 * What it throws is reported, the last good list stays, and it is called again after a while. `signal` aborts when the
 * app closes.
 *
 * @example
 * const source: Source = async function* (signal) {
 *   for await (const services of registry.watch('users', { signal })) yield services.map(({ address }) => `http://${address}`)
 * }
 */
export interface Source {
  (signal: AbortSignal): AsyncIterable<EndpointList | Error> | Promise<EndpointList> | EndpointList
  /** Its name in logs, without secrets. */
  readonly description?: string
}

export function describe(
  description: string,
  source: (signal: AbortSignal) => AsyncIterable<EndpointList | Error>
): Source {
  return Object.assign(source, { description })
}

export function descriptionOf({ description, name }: Source): string {
  return description ?? (name === '' || name === 'source' ? 'a function' : `function ${name}`)
}
