import { once } from 'node:events'
import type { Endpoint, Upstream } from '../../src/index.js'
import type { lines } from '../ask.js'

export const urls = ({ endpoints }: Upstream) => endpoints.map(({ url }) => url)

/** The url of the next endpoint that joins. */
export const added = async (upstream: Upstream) => ((await once(upstream, 'add')) as [Endpoint])[0].url

/** Resolves with the reason of the next failure. */
export function failure(log: ReturnType<typeof lines>): Promise<unknown> {
  return new Promise(resolve => {
    const { write } = log
    log.write = line => {
      write(line)
      const { level, reason } = JSON.parse(line)
      if (level >= 40) resolve(reason)
    }
  })
}
