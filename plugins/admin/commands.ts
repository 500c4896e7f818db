import type { FastifyBaseLogger } from 'fastify'
import { type Endpoint, OptionsError, type Workers } from '../../src/index.js'
import { mostOrders, type Order } from './orders.js'
import { Refusal } from './problem.js'
import type { Upstreams } from './upstreams.js'

/** To be done once, with what holds from then on. */
export interface Command extends Order {
  /** Lifts this reason, whoever has set it. */
  unblock?: string
}

/** What a worker has done about a command. */
interface Done {
  worker: number
  /** undefined when it knows no such endpoint. */
  done?: true
  refused?: string
}

const service = new URL('./orders.js', import.meta.url)
const topic = 'admin:command'

/** Orders that reach all workers, and those that come later. */
export class Commands {
  readonly #workers: Workers
  readonly #upstreams: Upstreams
  readonly #log: FastifyBaseLogger
  /** By which those of this gateway are found again. */
  readonly #admin: string
  readonly #orders = new Map<string, Order>()

  constructor(workers: Workers, upstreams: Upstreams, log: FastifyBaseLogger, admin: string) {
    this.#workers = workers
    this.#upstreams = upstreams
    this.#log = log
    this.#admin = admin
    workers.answer(topic, (command: Command) => this.#do(command))
  }

  /** Does what was ordered before this worker came, and follows the endpoints that come later. */
  async begin(): Promise<void> {
    const orders = (await this.#workers.ask(service, 'all', this.#admin)) as Order[]
    for (const order of orders) this.#note(order)
    for (const [name, upstream] of this.#upstreams) {
      for (const endpoint of upstream.endpoints) this.#obey(name, endpoint)
      upstream.on('add', endpoint => this.#obey(name, endpoint))
    }
  }

  /**
   * @returns the workers that have done it
   * @throws Refusal when there is no such endpoint
   */
  async give(command: Command): Promise<number[]> {
    this.#find(command)
    const { unblock, ...order } = command
    if (Object.keys(order).length > 2) await this.#workers.ask(service, 'give', this.#admin, order)
    const answers = (await this.#workers.gather(topic, command)) as Done[]
    const refused = answers.find(answer => answer.refused !== undefined)?.refused
    if (refused !== undefined) throw new Refusal(409, refused)
    return answers.filter(({ done }) => done).map(({ worker }) => worker)
  }

  #find({ upstream: name, endpoint: url }: Order): Endpoint {
    const upstream = this.#upstreams.get(name)
    if (upstream === undefined) {
      const known = this.#upstreams.names.join(', ')
      throw new Refusal(404, `There is no upstream ${name}; there ${known === '' ? 'are none' : `is ${known}`}.`)
    }
    const endpoint = upstream.find(url)
    if (endpoint === undefined) throw new Refusal(404, `The upstream ${name} has no endpoint ${url}.`)
    return endpoint
  }

  #do(command: Command): Done {
    const worker = this.#workers.id
    const { upstream, endpoint: url, unblock, ...order } = command
    this.#note({ upstream, endpoint: url, ...order })
    const endpoint = this.#upstreams.get(upstream)?.find(url)
    // Discovery may not have brought it to this worker yet.
    if (endpoint === undefined) return { worker }
    try {
      apply(endpoint, order)
      if (unblock !== undefined) endpoint.unblock(unblock)
    } catch (error) {
      return { worker, refused: (error as Error).message }
    }
    this.#log.warn({ upstream, endpoint: url, ...order, unblock }, 'admin: ordered by hand')
    return { worker, done: true }
  }

  #note(order: Order): void {
    const key = `${order.upstream} ${order.endpoint}`
    const whole = { ...this.#orders.get(key), ...order }
    if (whole.drain || typeof whole.block === 'string' || typeof whole.weight === 'number') this.#orders.set(key, whole)
    else this.#orders.delete(key)
    if (this.#orders.size > mostOrders) this.#orders.delete(this.#orders.keys().next().value as string)
  }

  #obey(name: string, endpoint: Endpoint): void {
    const order = this.#orders.get(`${name} ${endpoint.url}`)
    if (order === undefined) return
    try {
      apply(endpoint, order)
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error
      this.#log.error(error, 'admin: an order cannot be obeyed any longer')
    }
  }
}

function apply(endpoint: Endpoint, { drain, block, weight }: Partial<Order>): void {
  if (weight !== undefined) endpoint.weight = weight ?? endpoint.options.weight ?? 1
  if (drain === true) endpoint.drain()
  else if (drain === false) endpoint.resume()
  if (typeof block === 'string') endpoint.block('admin', { detail: block })
  else if (block === null) endpoint.unblock('admin')
}
