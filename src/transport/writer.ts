import { Readable } from 'node:stream'
import { GatewayError } from '../errors.js'
import type { UpstreamRequest } from '../types.js'
import { tokenByte } from './fields.js'

/** How the body of a request is framed: its length, `chunked`, or nothing said. */
export const chunkedBody = -1
export const noBody = -2

export function refuse(detail: string): GatewayError {
  return new GatewayError('GTW_ERR_INTERNAL', { detail, unsent: true })
}

/**
 * The length of a request's body: the Buffer's own, what is declared for a stream, else `chunkedBody`.
 * The writer decides on framing, not the fields: nobody else can make the two disagree.
 */
export function framing(request: UpstreamRequest): number {
  const { body, method } = request
  const declared = request.headers['content-length']
  if (body === undefined) {
    // RFC 9110 §8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning for
    // enclosed content".
    return declared === '0' || method === 'POST' || method === 'PUT' || method === 'PATCH' ? 0 : noBody
  }
  if (!(body instanceof Readable)) return body.length
  if (declared === undefined) return chunkedBody
  const length = Number(declared)
  if (!/^\d+$/.test(declared) || !Number.isSafeInteger(length)) throw refuse('content-length is not a number')
  return length
}

/** The request's head as bytes in latin1. Throws when a filter has set something that HTTP cannot carry. */
export function head(request: UpstreamRequest, basePath: string, host: string | undefined, length: number): string {
  const { method, path, headers, upgrade } = request
  if (!isToken(method) || method === 'CONNECT') throw refuse('the method cannot be sent')
  if (!isPath(path)) throw refuse('the path cannot be sent')
  const authority = host ?? headers.host ?? ''
  if (!isValue(authority)) throw refuse('the field host cannot be sent')
  // RFC 9112 §3.2: "A client MUST send a Host header field … as the first field".
  let text = `${method} ${path === '*' ? path : basePath + path} HTTP/1.1\r\nhost: ${authority}\r\n`
  let te = false
  for (const name in headers) {
    const value: unknown = headers[name]
    if (value === undefined) continue
    switch (name) {
      case 'host':
      case 'connection':
      case 'content-length':
      case 'transfer-encoding':
      case 'keep-alive':
      case 'proxy-connection':
      case 'upgrade':
        continue
      case 'expect':
        if (length === noBody || length === 0) continue
        break
      case 'te':
        te = true
        break
      default:
        // Only in lower case are the names above told from others.
        if (!isName(name)) throw refuse(`a field named ${JSON.stringify(name)} cannot be sent`)
    }
    if (typeof value === 'string') {
      if (!isValue(value)) throw refuse(`the field ${name} cannot be sent`)
      text += `${name}: ${value}\r\n`
    } else {
      for (const item of Array.isArray(value) ? value : [value]) {
        const line = `${item}`
        if (!isValue(line)) throw refuse(`the field ${name} cannot be sent`)
        text += `${name}: ${line}\r\n`
      }
    }
  }
  if (upgrade !== undefined) {
    if (!isToken(upgrade)) throw refuse('the protocol to upgrade to cannot be sent')
    text += `connection: ${te ? 'te, ' : ''}upgrade\r\nupgrade: ${upgrade}\r\n`
    // RFC 9110 §10.1.4: "A sender of TE MUST also send a "TE" connection option".
  } else if (te) text += 'connection: te\r\n'
  if (length >= 0) text += `content-length: ${length}\r\n`
  else if (length === chunkedBody) text += 'transfer-encoding: chunked\r\n'
  return `${text}\r\n`
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!tokenByte[text.charCodeAt(i)]) return false
  return text.length > 0
}

/** A token without upper-case letters. */
export function isName(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (tokenByte[char] !== char) return false
  }
  return text.length > 0
}

/** RFC 9110 §5.5; a value with CR or LF would end the field and begin another. */
export function isValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if ((char < 0x20 && char !== 9) || char === 0x7f || char > 0xff) return false
  }
  return true
}

export function isPath(text: string): boolean {
  if (text.charCodeAt(0) !== 47) return text === '*'
  for (let i = 1; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char < 0x21 || char > 0x7e) return false
  }
  return true
}
