import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { Type } from 'typebox'
import { Agent, type Dispatcher } from 'undici'
import { checkOptions, OptionsError } from '../../src/index.js'
import { describe, type EndpointList, type Source } from './source.js'
import { wait } from './wait.js'

export interface HttpOptions {
  /** Answers JSON: a list of endpoints, or what `parse` makes one of. Redirects are not followed. */
  url: string
  /** Milliseconds from one answer to the next question, ± 10 %. Default 10,000. */
  interval?: number
  /** Milliseconds for a whole answer. Default 5,000. */
  timeout?: number
  /** Sent with each question; not logged. */
  headers?: Record<string, string>
  /** Bytes of an answer. Default 4 MiB. */
  limit?: number
  /** What node:tls takes, for https. */
  tls?: ConnectionOptions
  /** Makes a list of endpoints of the JSON that came. */
  parse?: (json: unknown) => EndpointList
}

const schema = Type.Object({
  url: Type.String(),
  interval: Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: 10_000 }),
  timeout: Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: 5_000 }),
  headers: Type.Unsafe<Record<string, string>>(Type.Unknown({ default: {} })),
  limit: Type.Integer({ minimum: 1, default: 4_194_304 }),
  tls: Type.Unsafe<ConnectionOptions>(Type.Unknown({ default: {} }))
})

/**
 * Endpoints that another service tells of: it is asked every `interval`, and answers 304 while its ETag is the same.
 *
 * @throws OptionsError
 * @example
 * app.register(discovery, { source: http({ url: 'http://registry.internal/users.json' }) })
 */
export function http(given: HttpOptions): Source {
  const options = checkOptions('discovery: http', schema, given, ['parse']) as Required<HttpOptions>
  const { interval, timeout, limit, parse = (json: unknown) => json as EndpointList } = options
  const url = readUrl(options.url)
  const headers = readHeaders(options.headers)
  checkTls(options.tls)
  const connect = { ...options.tls, timeout } as NonNullable<Agent.Options['connect']>
  let last: { etag: string; list: EndpointList } | undefined
  return describe(`http ${url.origin}${url.pathname}`, async function* (signal) {
    const agent = new Agent({ connect, connections: 1, keepAliveTimeout: 1_000 })
    const question = { origin: url.origin, path: url.pathname + url.search, headers }
    try {
      while (!signal.aborted) {
        const answer = await ask(agent, question, last?.etag, { timeout, limit, signal })
        let list: EndpointList
        if (answer.text === undefined) list = (last as { list: EndpointList }).list
        else list = parse(JSON.parse(answer.text))
        last = answer.etag === undefined ? undefined : { etag: answer.etag, list }
        yield list
        await wait(interval * (0.9 + Math.random() / 5), signal)
      }
    } finally {
      void agent.destroy()
    }
  })
}

interface Question {
  origin: string
  path: string
  headers: Record<string, string>
}

/** `text` is undefined when nothing has changed. */
async function ask(
  agent: Dispatcher,
  { headers, ...question }: Question,
  etag: string | undefined,
  { timeout, limit, signal }: { timeout: number; limit: number; signal: AbortSignal }
): Promise<{ text: string | undefined; etag: string | undefined }> {
  const given = new AbortController()
  const giveUp = () => given.abort(signal.reason)
  const timer = setTimeout(() => given.abort(new Error(`no answer within ${timeout} ms`)), timeout).unref()
  signal.addEventListener('abort', giveUp)
  try {
    const sent = { accept: 'application/json', ...headers, ...(etag === undefined ? {} : { 'if-none-match': etag }) }
    const answer = await agent.request({ ...question, method: 'GET', headers: sent, signal: given.signal })
    const { statusCode, headers: fields, body } = answer
    if (statusCode !== 200 && !(statusCode === 304 && etag !== undefined)) {
      await body.dump()
      throw new Error(`it answered ${statusCode}`)
    }
    const text = await readText(body, limit)
    const { etag: next } = fields
    if (statusCode === 304) return { text: undefined, etag }
    return { text, etag: typeof next === 'string' ? next : undefined }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}

async function readText(body: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    // Leaving the loop destroys the body, and with it the connection.
    if (length > limit) throw new Error(`its answer has more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}

/** What is wrong is told without the value: there may be a password in it. */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  throw new OptionsError('discovery: http: option url must be http://… or https://…, without user and password')
}

function readHeaders(headers: unknown): Record<string, string> {
  try {
    // Their rules are those of fetch, which names the header at fault but not its value.
    return Object.fromEntries(new Headers(headers as Record<string, string>))
  } catch {
    throw new OptionsError('discovery: http: option headers must be an object of strings that HTTP can carry')
  }
}

function checkTls(tls: ConnectionOptions): void {
  try {
    createSecureContext(tls)
  } catch (error) {
    throw new OptionsError(`discovery: http: option tls cannot be used: ${(error as Error).message}`, { cause: error })
  }
}
