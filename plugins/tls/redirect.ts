import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../src/index.js'
import { nameOf } from './names.js'

export interface RedirectOptions {
  port: number
  status: number
}

/** RFC 8555 §8.3: who issues certificates asks over plain HTTP. */
const challenge = '/.well-known/acme-challenge/'

export function isChallenge({ raw }: FastifyRequest): boolean {
  return raw.url?.startsWith(challenge) === true
}

/** Sends a request that came without TLS to the same address with it. */
export function redirect(request: FastifyRequest, reply: FastifyReply, { port, status }: RedirectOptions): void {
  const host = nameOf(request.headers.host ?? '')
  // HTTP/1.0 knows no hosts.
  if (host === '') throw new GatewayError('GTW_ERR_BAD_HOST', { detail: 'no host to redirect to' })
  const authority = host.includes(':') ? `[${host}]` : host
  const at = port === 443 ? authority : `${authority}:${port}`
  void reply.code(status).header('location', `https://${at}${request.raw.url}`).send()
}
