import { type ErrorCode, errors } from './errors.js'

const reasons: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  505: 'HTTP Version Not Supported'
}

export interface RefusalAnswer {
  status: number
  reason: string
  /** Names and values. */
  fields: string[]
  body: string
}

/** The answer to what never became a request, in whatever version of HTTP. */
export function refusal(code: ErrorCode, via: string): RefusalAnswer {
  const [status, type, detail] = errors[code]
  const reason = reasons[status] as string
  const body = `${JSON.stringify({ type: 'about:blank', title: reason, status, detail, code })}\n`
  const fields = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(Buffer.byteLength(body)),
    'proxy-status',
    `${via}; error=${type}; details="${code}"`,
    'cache-control',
    'no-store'
  ]
  return { status, reason, fields, body }
}
