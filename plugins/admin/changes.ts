import type { FastifyInstance } from 'fastify'
import { eachUpstream, type Upstream } from '../../src/index.js'

/** Tells when an endpoint is not what it was, in this worker or in another. */
export function followChanges(app: FastifyInstance, changed: () => void): void {
  const { workers } = app
  let told: NodeJS.Timeout | undefined
  const tell = () => {
    // Many may change at once.
    told ??= setTimeout(() => {
      told = undefined
      workers.broadcast('admin:changed', null)
    }, 50)
  }
  const events = ['add', 'remove', 'block', 'unblock', 'change'] as const
  const followed: Upstream[] = []
  eachUpstream(app, upstream => {
    followed.push(upstream)
    for (const event of events) upstream.on(event, tell)
  })
  workers.subscribe('admin:changed', changed)
  app.addHook('onClose', async function leaveUpstreams() {
    clearTimeout(told)
    for (const upstream of followed) for (const event of events) upstream.off(event, tell)
  })
}
