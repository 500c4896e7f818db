/**
 * Lets browsers call services of gRPC: translates gRPC-Web, binary and in base64, to gRPC and back.
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { plugin, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { Base64Decoder } from './base64.js'
import { options } from './options.js'
import { DecodedBody, encode, malformed, WebBody } from './streams.js'
import { trailerFrame } from './trailer-frame.js'
import { takeTrailers } from './trailers-only.js'
import { nameOf, type WebType, webType } from './types.js'

const ignore = () => {}

/**
 * Translates the calls of this scope that are gRPC-Web; all others pass as they are. The upstream speaks HTTP/2
 * (`transport: 'http2'` or `'auto'`), the client HTTP/1.1 or HTTP/2.
 *
 * @example
 * app.register(grpcWeb)
 */
export default plugin({ name: 'grpc-web', options, dependencies: ['upstream'] }, app => {
  app.addUpstreamFilter(async function grpcWeb(request, next) {
    const type = webType(request.headers['content-type'])
    if (type === undefined) return next(request)
    translate(request, type)
    const response = await next(request)
    return response.headers['content-type']?.startsWith('application/grpc') ? back(response, type) : response
  })

  // An error of the gateway has its status in the head: a browser shows no fields of other origins that CORS does not name.
  app.addHook('onSend', (request, reply, payload, done) => {
    const type = reply.hasHeader('grpc-status') ? webType(request.headers['content-type']) : undefined
    if (type === undefined) done(null, payload)
    else done(null, encode(trailerFrame(statusIn(reply)), type.text))
  })
})

function translate(request: UpstreamRequest, { text, codec }: WebType): void {
  const { body, headers } = request
  headers['content-type'] = `application/grpc${codec}`
  headers.te = 'trailers'
  headers['x-grpc-web'] = undefined
  // It would ask for an answer of gRPC-Web.
  headers.accept = undefined
  if (!text || body === undefined) return
  headers['content-length'] = undefined
  if (body instanceof Readable) {
    request.body = new DecodedBody(body)
    return
  }
  const decoder = new Base64Decoder()
  try {
    request.body = decoder.decode(body)
    decoder.end()
  } catch (error) {
    throw malformed(error)
  }
}

function back(response: UpstreamResponse, type: WebType): UpstreamResponse {
  const { body } = response
  const headers: IncomingHttpHeaders = Object.assign(Object.create(null), response.headers)
  headers['content-type'] = nameOf(type)
  headers['content-length'] = undefined
  headers.trailer = undefined
  const head = headers['grpc-status'] === undefined ? undefined : takeTrailers(headers)
  const trailers = head === undefined ? response.trailers : () => head
  if (!Buffer.isBuffer(body)) {
    const web = new WebBody(type.text, trailers ?? (() => undefined))
    pipeline(body, web, ignore)
    return { ...response, headers, body: web, trailers: undefined }
  }
  const behind = trailers?.()
  if (behind === undefined) return { ...response, headers, trailers: undefined }
  const content = Buffer.concat([encode(body, type.text), encode(trailerFrame(behind), type.text)])
  return { ...response, headers, body: content, trailers: undefined }
}

/** Takes the status out of a head. */
function statusIn(reply: FastifyReply): IncomingHttpHeaders {
  const status: IncomingHttpHeaders = {}
  for (const name of ['grpc-status', 'grpc-message', 'grpc-status-details-bin']) {
    const value = reply.getHeader(name)
    if (value === undefined) continue
    status[name] = `${value}`
    reply.removeHeader(name)
  }
  return status
}
