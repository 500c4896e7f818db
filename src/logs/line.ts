import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClientRequest, ClientResponse, ClientSocket } from '../client.js'
import { attemptsOf } from '../logs.js'
import { type Mask, masked } from './redact.js'

/** What is told of a request; times are milliseconds, sizes the bytes of bodies. */
export interface Line {
  reqId?: string
  method?: string | undefined
  host?: string | undefined
  /** As the client sent it, secrets masked. */
  url?: string | undefined
  /** `HTTP/1.1` */
  protocol?: string | undefined
  /** `TLSv1.3` */
  tls?: string | undefined
  status: number
  client: string | undefined
  /** Of the request's body, as far as it was read; of an upgraded connection, all behind the switch. */
  received?: number | undefined
  /** Of the answer's body, with the framing of its chunks. */
  sent?: number | undefined
  /** Until the end of the answer. */
  duration?: number | undefined
  /** From the first attempt to the head of the answer, or to the last failure. */
  upstream?: number | undefined
  /** Whose answer it was. */
  endpoint?: string | undefined
  /** Those it was sent to, oldest first. */
  attempts?: string[] | undefined
  aborted?: true | undefined
  /** Why it failed: a code of `errors`, or of another library. */
  code?: string | undefined
  cache?: unknown
  limit?: unknown
  trace?: string | undefined
  /** What the parser did not understand. */
  reason?: string | undefined
  [note: string]: unknown
}

/** One object of one shape: pino writes it in one pass, and leaves out what is undefined. */
export function lineOf(request: FastifyRequest, reply: FastifyReply, trace: string | undefined, mask: Mask): Line {
  const raw = request.raw as ClientRequest
  const response = reply.raw as unknown as ClientResponse
  const { call, notes, switched } = raw
  const socket = raw.socket as ClientSocket
  const line: Line = {
    method: request.method,
    host: hostOf(request),
    url: mask(request.originalUrl),
    protocol: protocolOf(raw),
    tls: socket.peer?.tls,
    status: reply.statusCode,
    client: request.ip,
    received: switched === undefined ? raw.received : switched.socket.bytesRead - switched.read,
    sent: switched === undefined ? response.sent : switched.socket.bytesWritten - switched.written,
    duration: rounded(reply.elapsedTime),
    upstream: call === undefined || call.begun === 0 || call.ended === 0 ? undefined : rounded(call.ended - call.begun),
    endpoint: call?.response?.endpoint?.url,
    attempts: attemptsOf(request),
    // Fastify tells of an error only where there are no onResponse hooks.
    aborted: response.destroyed || undefined,
    code: raw.code,
    cache: undefined,
    limit: undefined,
    trace
  }
  if (notes !== undefined) Object.assign(line, notes)
  return line
}

/** One that was refused may hold a password. */
function hostOf({ host, raw }: FastifyRequest): string {
  return (raw as ClientRequest).refusal === undefined ? host : host.replace(/^.*@/, `${masked}@`)
}

export function protocolOf({ httpVersion }: ClientRequest): string {
  return httpVersion === '1.1' ? 'HTTP/1.1' : `HTTP/${httpVersion}`
}

function rounded(duration: number): number {
  return Math.round(duration * 1_000) / 1_000
}
