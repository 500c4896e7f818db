/** A certificate that there shall be. */
export interface Wanted {
  /** Of its directory: the first host. */
  readonly name: string
  /** In lower case, as they go over the wire. */
  readonly hosts: readonly string[]
}

/** A certificate with its key, in PEM. */
export interface Pair {
  key: string
  /** Its own first. */
  chain: string
}
