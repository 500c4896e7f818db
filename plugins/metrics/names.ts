import type { Upstream } from '../../src/index.js'

export type Name = (upstream: Upstream, prefix: string) => string | undefined

/**
 * Names upstreams by the prefix of their scope: it stands in the app file, is the same after a restart, and stays while
 * endpoints come and go. Where it is taken (virtual hosts have none) a number follows, in the order of the app file.
 *
 * @param name what the app says instead
 */
export function names(name: Name = () => undefined): (upstream: Upstream, prefix: string) => string {
  const given = new Set<string>()
  return (upstream, prefix) => {
    const wanted = name(upstream, prefix) ?? (prefix === '' ? '/' : prefix)
    let unique = wanted
    for (let count = 2; given.has(unique); count++) unique = `${wanted}#${count}`
    given.add(unique)
    return unique
  }
}
