import { Readable, Transform, type TransformCallback } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Call } from './call.js'
import type { ClientRequest } from './client.js'
import { GatewayError } from './errors.js'

/** The body as hooks left it; never parsed, and only counted where a limit asks for it. */
export function addBody(call: Call, raw: ClientRequest): void {
  const { client } = call
  const body = client.body ?? payloadOf(client) ?? raw
  const { bodyLimit } = client.routeOptions
  const length = raw.headers['content-length']
  if (length !== undefined && Number(length) > bodyLimit) throw tooLarge(bodyLimit)
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    call.body = Buffer.from(body)
  } else if (body instanceof Readable) {
    // A hook that changed the body has changed its length too.
    if (body !== raw) call.headers['content-length'] = undefined
    const counts = (length === undefined || body !== raw) && bodyLimit < Number.MAX_SAFE_INTEGER
    call.body = counts ? new Limited(body, bodyLimit) : body
    if (length === undefined) call.trailers = () => raw.trailers
    // It may fail before anybody sends it.
    if (call.body !== raw) (call.body as Readable).on('error', ignore)
  } else {
    throw new GatewayError('GTW_ERR_INTERNAL', {
      detail: 'the body of a forwarded request is not parsed: remove the content type parser of this scope'
    })
  }
}

const ignore = () => {}

let kPayload: symbol | undefined

/** What preParsing hooks made of the body of a GET and the like, which Fastify keeps to itself as it parses none. */
function payloadOf(request: FastifyRequest): Readable | undefined {
  kPayload ??= Object.getOwnPropertySymbols(request).find(
    ({ description }) => description === 'fastify.RequestPayloadStream'
  )
  return kPayload && (request as unknown as Record<symbol, Readable | undefined>)[kPayload]
}

/** Counts what passes. It reads when it is read: a client that waits for 100 is not told to go on before. */
class Limited extends Transform {
  readonly #limit: number
  #source: Readable | undefined
  #size = 0

  constructor(source: Readable, limit: number) {
    super()
    this.#source = source
    this.#limit = limit
    source.once('error', error => this.destroy(error))
    source.once('close', () => {
      if (!source.readableEnded) this.destroy()
    })
  }

  override _read(size: number): void {
    this.#source?.pipe(this)
    this.#source = undefined
    super._read(size)
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#size += chunk.length
    if (this.#size > this.#limit) done(tooLarge(this.#limit))
    else done(null, chunk)
  }
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError('GTW_ERR_BODY_TOO_LARGE', { detail: `the body is larger than the limit of ${limit} bytes` })
}
