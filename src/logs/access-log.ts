import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { pino } from 'pino'
import type { ClientRequest } from '../client.js'
import { errors, OptionsError } from '../errors.js'
import type { OnRefused } from '../listener.js'
import { combined } from './combined.js'
import type { Destination } from './destination.js'
import { type Line, lineOf, protocolOf } from './line.js'
import { LogFile } from './log-file.js'
import type { AccessLogOptions } from './options.js'
import { type Mask, mask } from './redact.js'
import { sampled } from './sample.js'
import { type Select, select } from './select.js'
import { traceOf } from './trace.js'

/** What a test puts in their place. */
export interface Sources {
  random(): number
  /** Milliseconds since the epoch. */
  now(): number
}

/** Writes one line a request: to the logger of the app, or to a destination of its own. */
export class AccessLog {
  readonly mask: Mask
  readonly #share: number
  readonly #combined: boolean
  readonly #select: Select | undefined
  readonly #sources: Sources
  /** None: lines go to the logger of the request. */
  readonly #destination: Destination | undefined
  readonly #own: pino.Logger | undefined

  /**
   * @param log told when lines cannot be written
   * @throws OptionsError
   */
  constructor(
    options: AccessLogOptions,
    log: () => FastifyBaseLogger,
    sources: Sources = { random: Math.random, now: Date.now }
  ) {
    const { fields, format, redact, sample } = options
    this.mask = mask(redact)
    this.#share = sample
    this.#combined = format === 'combined'
    if (this.#combined && (fields.length !== 1 || fields[0] !== '*')) {
      throw new OptionsError('gateway: option accessLog.fields is for json: the combined format has fields of its own')
    }
    this.#select = select(fields, this.mask)
    this.#sources = sources
    this.#destination = destinationOf(options, log)
    if (this.#destination !== undefined && !this.#combined)
      this.#own = pino({}, this.#destination as pino.DestinationStream)
  }

  /** Whether the logger of the app has no part in it. */
  get apart(): boolean {
    return this.#destination !== undefined
  }

  write(request: FastifyRequest, reply: FastifyReply): void {
    const { code } = request.raw as ClientRequest
    const { traceparent } = request.headers
    const trace = traceparent === undefined ? undefined : traceOf(traceparent)
    const { random, now } = this.#sources
    // What failed is what the log is read for.
    const failed = code !== undefined || reply.statusCode >= 500 || reply.raw.destroyed
    if (!failed && !sampled(this.#share, trace, random)) return
    const line = lineOf(request, reply, trace, this.mask)
    if (this.#combined) {
      const { referer, 'user-agent': userAgent } = request.headers
      const shown = referer === undefined ? undefined : this.mask(referer)
      this.#destination?.write(combined(line, { referer: shown, userAgent, time: now() }))
      return
    }
    if (this.#own !== undefined) line.reqId = request.id
    ;(this.#own ?? request.log).info(this.#select === undefined ? line : this.#select(line, request, reply), 'request')
  }

  /** What never became a request that Fastify saw. */
  refused(line: Line, log: FastifyBaseLogger): void {
    const { url } = line
    if (url !== undefined) line.url = this.mask(url)
    if (this.#combined) {
      this.#destination?.write(combined(line, { referer: undefined, userAgent: undefined, time: this.#sources.now() }))
    } else {
      ;(this.#own ?? log).info(line, 'request')
    }
  }

  /** Resolves when all lines are written. */
  async close(): Promise<void> {
    await this.#destination?.close?.()
  }
}

function destinationOf(
  { file, format, stream }: AccessLogOptions,
  log: () => FastifyBaseLogger
): Destination | undefined {
  if (file !== undefined && stream !== undefined) {
    throw new OptionsError('gateway: option accessLog has a file and a stream, but must have one of them')
  }
  if (file !== undefined) return new LogFile(file, (told, message) => log().error(told, message))
  // Beside a logger that may write there, too: line by line.
  if (stream === undefined) return format === 'combined' ? pino.destination({ fd: 1, sync: true }) : undefined
  const given = stream as Partial<Destination> | null
  if (typeof given?.write !== 'function') {
    throw new OptionsError('gateway: option accessLog.stream must be an object with write(line)')
  }
  // Whoever made it closes it.
  return { write: line => (given as Destination).write(line) }
}

/** The gateway's option: true is the usual line, to the logger. */
export function accessLogOf(option: boolean | AccessLogOptions, log: () => FastifyBaseLogger): AccessLog | undefined {
  if (option === false) return undefined
  return new AccessLog(option === true ? { format: 'json', fields: ['*'], sample: 1, redact: [] } : option, log)
}

/** What was refused past Fastify has its access line; without an access log, a line that says what the parser met. */
export function refusals(access: AccessLog | undefined, log: () => FastifyBaseLogger): OnRefused {
  return ({ code, socket, request, error, served }) => {
    const { remoteAddress: client } = socket
    if (access === undefined) {
      // The packet in the error is never logged.
      if (error !== undefined) log().info({ code: error.code, reason: error.reason, client }, error.message)
    } else if (!served) {
      access.refused(
        {
          method: request?.method,
          host: request?.headers.host,
          url: request?.url,
          protocol: request === undefined ? undefined : protocolOf(request),
          status: errors[code][0],
          client,
          code,
          reason: error === undefined ? undefined : [error.code, error.reason ?? error.message].join(': ')
        },
        log()
      )
    }
  }
}
