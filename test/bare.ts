/**
 * How to start Node without what tap adds to each process, which takes a second of CPU, and memory, to start.
 * @param options NODE_OPTIONS of one's own
 */
export function bare(args: readonly string[], options?: string): [program: string, args: string[]] {
  const setting = options === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${options}`]
  // By `env`, which becomes the process: tap also changes the environments that are given.
  return ['env', [...setting, process.execPath, ...args]]
}
