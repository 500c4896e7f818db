/**
 * The app file that `npm start` runs: the smallest whole gateway, and a start for your own.
 *
 * An app file exports a function that gets a new gateway and composes it out of plugins and routes. What it can do is
 * what Fastify can do: scopes, hooks, routes, and every plugin of `plugins/`.
 */
import type { FastifyInstance } from 'fastify'
import { proxy, retry, upstream } from '../plugins/index.js'
import { demoOrigins } from './demo.js'

/** `check` is true when `headgate --check` only looks at the app: open nothing then. */
export default async function app(app: FastifyInstance, { check }: { check: boolean }): Promise<void> {
  app.register(upstream, { endpoints: configured() ?? (await demo(app, check)) })
  // Where nobody listens, another endpoint answers. Nothing was sent then, so that this is safe for any request.
  app.register(retry, { on: ['connect', 'refused'] })
  // Each request that no route answers, with any method, goes to the upstream.
  app.register(proxy)
}

function configured(): string[] | undefined {
  const urls = process.env.HEADGATE_UPSTREAM?.split(',').map(url => url.trim())
  const endpoints = urls?.filter(url => url !== '')
  return endpoints?.length ? endpoints : undefined
}

async function demo(app: FastifyInstance, check: boolean): Promise<string[]> {
  if (check) return ['http://demo.invalid']
  const origins = await demoOrigins()
  // onClose, not preClose: requests in flight still need them.
  app.addHook('onClose', () => origins.close())
  return origins.urls
}
