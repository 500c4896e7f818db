import type { TracesOptions } from './options.js'
import { Secrets } from './secrets.js'

export interface Target {
  path: string
  query: string | undefined
}

/** What is recorded of the target of a request. */
export class Targets {
  readonly #secrets: Secrets
  readonly #query: boolean

  constructor({ query, secrets }: Pick<TracesOptions, 'query' | 'secrets'>) {
    this.#query = query
    this.#secrets = new Secrets(secrets)
  }

  /** @param url in origin form */
  parts(url: string): Target {
    const mark = url.indexOf('?')
    if (mark === -1) return { path: url, query: undefined }
    return { path: url.slice(0, mark), query: this.#query ? this.#secrets.mask(url.slice(mark + 1)) : undefined }
  }

  /** The same in one string. */
  whole(url: string): string {
    return join(this.parts(url))
  }
}

export function join({ path, query }: Target): string {
  return query === undefined ? path : `${path}?${query}`
}
