import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Cache } from '../../../plugins/cache/cache.js'
import { memory, type Store } from '../../../plugins/cache/index.js'
import { options } from '../../../plugins/cache/options.js'
import { Plan } from '../../../plugins/cache/plan.js'
import { proxy, upstream } from '../../../plugins/index.js'
import { checkOptions, gateway, plugin } from '../../../src/index.js'
import { type Answer, type Asked, ask } from '../../ask.js'
import { listen, origin } from '../../helper.js'

type Options = ConstructorParameters<typeof Cache>[0]['options'] & ConstructorParameters<typeof Plan>[0]
type Listener = (request: IncomingMessage, response: ServerResponse, count: number) => unknown

/** A service, and a gateway with a cache in front of it whose clock is the test's. */
export class World {
  /** What the service was asked, oldest first. */
  readonly asked: IncomingMessage[] = []
  readonly store: Store
  cache!: Cache
  app!: FastifyInstance
  port = 0
  /** Milliseconds since the epoch. */
  time = Date.now()

  private constructor(store: Store) {
    this.store = store
  }

  static async make(t: Test, answer: Listener, given: Partial<Options> = {}, store: Store = memory()): Promise<World> {
    const world = new World(store)
    const endpoint = await origin(t, (request, response) => {
      world.asked.push(request)
      // node:http would tell the time of this machine.
      response.setHeader('date', new Date(world.time).toUTCString())
      answer(request, response, world.asked.length)
    })
    world.app = gateway()
    world.app.register(upstream, { endpoints: [endpoint] })
    world.app.register(
      plugin({ name: 'cache', dependencies: ['upstream'] }, app => {
        const { keyOf, bypass, tagsOf, ...plain } = given
        const all = { ...(checkOptions('cache', options, plain) as Options), ...omitted({ keyOf, bypass, tagsOf }) }
        const cache: Cache = new Cache({
          store,
          options: all,
          variants: { ...all.vary, normalise: undefined },
          log: app.log,
          now: () => world.time,
          tellOthers() {},
          purge: (selector, soft) => cache.purge(selector, soft)
        })
        world.cache = cache
        const plan = new Plan(all)
        app.addUpstreamFilter((request, next) => cache.answer(request, next, plan), { inner: true })
        app.addHook('onClose', () => cache.close())
      })
    )
    world.app.register(proxy)
    world.port = await listen(t, world.app)
    return world
  }

  /** One request; its answer, with what Cache-Status says in short: `hit`, or why it was forwarded. */
  async get(path: string, headers: Asked['headers'] = {}, method = 'GET'): Promise<Answer & { how: string }> {
    const answer = await ask(this.port, path, { headers, method })
    const status = String(answer.headers['cache-status'] ?? '')
    return { ...answer, how: /; (hit|fwd=[a-z-]+)/.exec(status)?.[1]?.replace('fwd=', '') ?? status }
  }

  /** Time passes, in seconds. */
  pass(seconds: number): void {
    this.time += seconds * 1_000
  }

  /** What is stored and not purged. */
  get records(): number {
    return this.store.stats().records as number
  }
}

function omitted<T extends object>(given: T): Partial<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<T>
}
