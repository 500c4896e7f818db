import type { IncomingHttpHeaders } from 'node:http'
import { fieldProblem, readResponse } from '../http2/fields.js'
import { kind, kindOf, mayTrail } from './fields.js'
import { decimal } from './parser.js'
import { bad } from './scanner.js'

/** The head of an answer. */
export interface AnswerHead {
  statusCode: number
  headers: IncomingHttpHeaders
  /** Of its content; -1 when it does not say. */
  length: number
}

/**
 * Reads the head of an answer, strictly, as that of one over HTTP/1.1 is read.
 * @param list `:status` and its value, then names and values
 * @throws GatewayError GTW_ERR_BAD_RESPONSE
 */
export function readAnswer(list: readonly string[]): AnswerHead {
  const statusCode = readResponse(list)
  if (typeof statusCode === 'string') throw bad(statusCode)
  const headers = headersOf(list, 2)
  let length = -1
  const declared = headers['content-length']
  if (declared !== undefined) {
    for (const part of declared.includes(',') ? declared.split(',') : [declared]) {
      const one = decimal(part.trim())
      if (one < 0 || (length >= 0 && one !== length)) throw bad(`content-length: ${declared}`)
      length = one
    }
    // RFC 9110 §8.6: there is none "in any response with a status code of … 204".
    if (statusCode === 204) delete headers['content-length']
    else headers['content-length'] = `${length}`
  }
  return { statusCode, headers, length }
}

/** @throws GatewayError GTW_ERR_BAD_RESPONSE */
export function readTrailers(list: readonly string[]): IncomingHttpHeaders {
  const problem = fieldProblem(list)
  if (problem !== undefined) throw bad(problem)
  const trailers = headersOf(list, 0)
  for (const name of Object.keys(trailers)) if (!mayTrail(name)) delete trailers[name]
  return trailers
}

function headersOf(list: readonly string[], start: number): IncomingHttpHeaders {
  const headers = Object.create(null) as Record<string, string | string[]>
  for (let at = start; at < list.length; at += 2) {
    const name = list[at] as string
    const value = list[at + 1] as string
    const former = headers[name]
    switch (kindOf(name)) {
      case kind.setCookie:
        if (former === undefined) headers[name] = [value]
        else (former as string[]).push(value)
        break
      case kind.single:
        headers[name] = former ?? value
        break
      case kind.hop:
        break
      default:
        if (name === '__proto__') throw bad('a field named __proto__')
        headers[name] = former === undefined ? value : `${former as string}, ${value}`
    }
  }
  return headers
}
