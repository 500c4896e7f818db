import type { FastifyReply } from 'fastify'
import type { ErrorCode } from './errors.js'
import type { Problem } from './problem.js'

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const CANCELLED = 1
const UNKNOWN = 2
const DEADLINE_EXCEEDED = 4
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/**
 * What a client makes of an HTTP status (doc/http-grpc-status-mapping.md), but for those that gRPC has a better word for
 * when it is known that they are the gateway's: timeouts, and what is too large or too much.
 */
const ofStatus = new Map<number, number>([
  [400, INTERNAL],
  [401, UNAUTHENTICATED],
  [403, PERMISSION_DENIED],
  [404, UNIMPLEMENTED],
  [405, UNIMPLEMENTED],
  [408, DEADLINE_EXCEEDED],
  [413, RESOURCE_EXHAUSTED],
  [414, RESOURCE_EXHAUSTED],
  [429, RESOURCE_EXHAUSTED],
  [431, RESOURCE_EXHAUSTED],
  [499, CANCELLED],
  [500, INTERNAL],
  [501, UNIMPLEMENTED],
  [502, UNAVAILABLE],
  [503, UNAVAILABLE],
  [504, DEADLINE_EXCEEDED],
  [508, INTERNAL]
])

/** Those whose status says too little. */
const ofCode: Partial<Record<ErrorCode, number>> = {
  GTW_ERR_CONNECT_TIMEOUT: UNAVAILABLE,
  GTW_ERR_OVERLOADED: RESOURCE_EXHAUSTED,
  GTW_ERR_POOL_FULL: RESOURCE_EXHAUSTED,
  GTW_ERR_BAD_RESPONSE: INTERNAL,
  GTW_ERR_RESPONSE_HEAD_TOO_LARGE: INTERNAL,
  GTW_ERR_UPGRADE: INTERNAL
}

/** The media type of a call of gRPC or gRPC-Web; undefined for all others. */
export function grpcType(type: string | undefined): string | undefined {
  return type === undefined
    ? undefined
    : /^application\/grpc(?:-web(?:-text)?)?(?:\+[\w.-]+)?(?=\s*(?:;|$))/i.exec(type)?.[0]
}

/** Answers an error as gRPC has it: HTTP has done well, and the call has its status, in a head alone. */
export function sendStatus(reply: FastifyReply, type: string, { status, code, detail }: Problem): void {
  const grpcStatus = ofCode[code as ErrorCode] ?? ofStatus.get(status) ?? UNKNOWN
  void reply
    .code(200)
    .header('content-type', type)
    .header('grpc-status', `${grpcStatus}`)
    .header('grpc-message', encodeMessage(detail))
    .send()
}

/** "Percent-Encoded": of what is not printable ASCII, and of the percent sign, the bytes in UTF-8. */
function encodeMessage(text: string): string {
  return text.replace(/[^ -$&-~]+/g, part =>
    Array.from(Buffer.from(part), byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  )
}

const units: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }
/** setTimeout counts no further. */
const longest = 2_147_483_647

/** The milliseconds of a grpc-timeout; 0 when it cannot be read, or is so long that it is none. */
export function grpcTimeout(value: string): number {
  if (!/^\d{1,8}[HMSmun]$/.test(value)) return 0
  const duration = Math.max(1, Math.ceil(Number(value.slice(0, -1)) * (units[value.at(-1) as string] as number)))
  return duration > longest ? 0 : duration
}
