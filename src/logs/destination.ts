/** Where lines are written to, one a call, with its line break. */
export interface Destination {
  write(line: string): unknown
  /** Resolves when all is written. */
  close?(): Promise<void>
}
