import { Body, OptionsError } from '../../../src/index.js'
import { BufferedWriting } from './buffered-writing.js'
import type { Channel, Meta, Store, Stored, StoreStats, Writing } from './store.js'

/** What is asked of a client of Redis or Valkey: an ioredis has it, for a server, for sentinels and for a cluster. */
export interface RedisClient {
  readonly status: string
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PXAT', until: number): Promise<unknown>
  unlink(key: string): Promise<unknown>
  eval(script: string, keys: number, ...args: (string | number | Buffer)[]): Promise<unknown>
  scan(
    cursor: string,
    match: 'MATCH',
    pattern: string,
    count: 'COUNT',
    size: number
  ): Promise<[cursor: string, keys: string[]]>
  publish(channel: string, message: string): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  duplicate(): RedisClient
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'ready', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  disconnect(): void
  /** Of a cluster. */
  nodes?(role: 'master'): RedisClient[]
}

export interface RedisOptions {
  /** Closed with the gateway. */
  client: RedisClient
  /** Before each key: what shares the server needs another one. */
  prefix?: string
  /** Milliseconds for an answer; what takes longer is a miss. */
  timeout?: number
  /** Bytes of a record, at most: each is read and written in one piece. */
  largest?: number
}

/** Milliseconds for which a server is left alone that has not answered in time. */
const rest = 1_000

/** Meta and body in one value, so that one command reads and one writes both: the length of the meta, the meta, the body. */
const update = `local record = redis.call('GET', KEYS[1])
if not record then return 0 end
local length = struct.unpack('>I4', record)
redis.call('SET', KEYS[1], ARGV[1] .. string.sub(record, 5 + length), 'PXAT', ARGV[2])
return 1`

/**
 * Keeps records in Redis or Valkey, for all workers and machines that use the same server. An outage is as good as an empty
 * store. Purges reach all of them, and so does what is invalidated in a store in memory in front (`tiers`).
 *
 * @throws OptionsError
 * @example
 * app.register(cache, { store: () => tiers(memory(), redis({ client: new Redis({ enableOfflineQueue: false }) })) })
 */
export function redis({ client, prefix = 'headgate:', timeout = 250, largest = 1_048_576 }: RedisOptions): Store {
  if (typeof client?.getBuffer !== 'function') {
    throw new OptionsError('redis: option client is missing: an ioredis')
  }
  return new RedisStore(client, prefix, timeout, largest)
}

class RedisStore implements Store {
  readonly name = 'redis'
  readonly local = false
  readonly channel: Channel
  readonly #client: RedisClient
  readonly #subscriber: RedisClient
  readonly #prefix: string
  readonly #timeout: number
  readonly #largest: number
  #resting = 0
  #closed = false

  constructor(client: RedisClient, prefix: string, timeout: number, largest: number) {
    this.#client = client
    this.#prefix = prefix
    this.#timeout = timeout
    this.#largest = largest
    // What is wrong with a connection shows in what is asked over it.
    client.on('error', ignore)
    this.#subscriber = client.duplicate()
    this.#subscriber.on('error', ignore)
    const name = `${prefix}cache`
    this.channel = {
      publish: message => this.#ask(() => client.publish(name, message)),
      subscribe: listener => {
        this.#subscriber.on('message', (_channel, message) => listener(message))
        // Not before there is a connection: a client without a queue would refuse it.
        const subscribe = () => void this.#subscriber.subscribe(name).catch(ignore)
        if (this.#subscriber.status === 'wait' || this.#subscriber.status === 'ready') subscribe()
        this.#subscriber.on('ready', subscribe)
      }
    }
  }

  async get(key: string): Promise<Stored | undefined> {
    const record = await this.#ask(() => this.#client.getBuffer(this.#prefix + key))
    return record === null ? undefined : opened(record)
  }

  async set(key: string, meta: Meta, body: Buffer): Promise<void> {
    if (body.length > this.#largest) return this.delete(key)
    await this.#ask(() => this.#client.set(this.#prefix + key, packed(meta, body), 'PXAT', Math.ceil(meta.until)))
  }

  begin(key: string, meta: Meta, size: number | undefined): Writing {
    return new BufferedWriting(this, key, meta, size, this.#largest)
  }

  async update(key: string, meta: Meta): Promise<void> {
    await this.#ask(() => this.#client.eval(update, 1, this.#prefix + key, head(meta), Math.ceil(meta.until)))
  }

  async delete(key: string): Promise<void> {
    await this.#ask(() => this.#client.unlink(this.#prefix + key))
  }

  async sweep(visit: (key: string, meta: Meta) => 'keep' | 'delete' | Meta, shared = true): Promise<void> {
    if (!shared) return
    for (const node of this.#client.nodes?.('master') ?? [this.#client]) {
      let cursor = '0'
      do {
        const [next, keys] = await this.#ask(() =>
          node.scan(cursor, 'MATCH', `${escaped(this.#prefix)}*`, 'COUNT', 200)
        )
        for (const key of keys) await this.#visit(key.slice(this.#prefix.length), visit)
        cursor = next
      } while (cursor !== '0' && !this.#closed)
    }
  }

  stats(): StoreStats {
    return { bytes: undefined, records: undefined, evictions: 0 }
  }

  close(): void {
    this.#closed = true
    this.#client.disconnect()
    this.#subscriber.disconnect()
  }

  async #visit(key: string, visit: (key: string, meta: Meta) => 'keep' | 'delete' | Meta): Promise<void> {
    const stored = await this.get(key)
    if (stored === undefined) return
    const told = visit(key, stored.meta)
    if (told === 'delete') await this.delete(key)
    else if (told !== 'keep') await this.update(key, told)
  }

  /** @throws Error at once while nobody answers */
  async #ask<T>(command: () => Promise<T>): Promise<T> {
    const { status } = this.#client
    // A client that connects with its first command waits for it; any other that is not there is not waited for.
    if (status !== 'ready' && status !== 'wait' && status !== 'connect' && status !== 'connecting') {
      throw new Error(`redis: the connection is ${status}`)
    }
    if (performance.now() < this.#resting)
      throw new Error('redis: it has not answered in time, and is left alone for a moment')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#resting = performance.now() + rest
        reject(new Error(`redis: no answer within ${this.#timeout} ms`))
      }, this.#timeout)
    })
    try {
      return await Promise.race([command(), late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function ignore(): void {}

function head(meta: Meta): Buffer {
  const text = Buffer.from(JSON.stringify(meta))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text])
}

function packed(meta: Meta, body: Buffer): Buffer {
  return Buffer.concat([head(meta), body])
}

/** Undefined when it is nothing of ours. */
function opened(record: Buffer): Stored | undefined {
  if (record.length < 4) return undefined
  const end = 4 + record.readUInt32BE()
  if (end > record.length) return undefined
  try {
    const meta = JSON.parse(record.toString('utf8', 4, end)) as Meta
    const body = record.subarray(end)
    return { meta, size: body.length, body, open: (from, to) => Body.from(body.subarray(from, to)) }
  } catch {
    return undefined
  }
}

/** What a pattern of Redis would read. */
function escaped(text: string): string {
  return text.replace(/[*?[\]^\\-]/g, '\\$&')
}
