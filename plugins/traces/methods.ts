export interface Method {
  /** `http.request.method`. */
  name: string
  /** `http.request.method_original`: the method when it goes by another name. */
  original: string | undefined
  /** In the name of a span. */
  title: string
}

/** Methods by the names they are recorded with: few, whatever clients think of. */
export class Methods {
  readonly #known: ReadonlyMap<string, Method>

  constructor(known: readonly string[]) {
    this.#known = new Map(known.map(name => [name, { name, original: undefined, title: name }]))
  }

  read(method: string): Method {
    return this.#known.get(method) ?? { name: '_OTHER', original: method, title: 'HTTP' }
  }
}
