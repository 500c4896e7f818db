import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError, type UpstreamFilter } from '../../src/index.js'
import { connectionOf } from './connection.js'
import type { Directory } from './directory.js'
import { hsts } from './hsts.js'
import { nameOf } from './names.js'
import type { Options } from './options.js'
import { isChallenge, redirect } from './redirect.js'

/** What TLS means for requests: who asks, which hosts they may ask for, and that they come by TLS at all. */
export function addRequests(app: FastifyInstance, given: Options, directory: Directory): void {
  app.decorateRequest('clientCertificate', {
    getter(this: FastifyRequest) {
      return connectionOf(this)?.identity
    }
  })
  app.addUpstreamFilter(tellCertificate)
  addRedirect(app, given)
  if (directory.hosts.some(({ rules }) => rules !== undefined)) addMisdirected(app, directory)
  if (given.hsts !== undefined) {
    const value = hsts(given.hsts)
    app.addHook('onSend', function addHsts(request, reply, _payload, done) {
      if (request.protocol === 'https' && !reply.hasHeader(strict)) reply.header(strict, value)
      done()
    })
  }
}

const strict = 'strict-transport-security'

/** RFC 9440 §4: what clients say of certificates is not handed on, whether they have shown one or not. */
const tellCertificate: UpstreamFilter = (request, next) => {
  const { headers } = request
  const fields = connectionOf(request.client)?.fields
  if (fields !== undefined || headers['client-cert'] !== undefined) headers['client-cert'] = fields?.certificate
  if (fields !== undefined || headers['client-cert-chain'] !== undefined) headers['client-cert-chain'] = fields?.chain
  return next(request)
}

function addRedirect(app: FastifyInstance, given: Options): void {
  if (given.redirect === false) return
  const to = given.redirect === true ? { port: 443, status: 308 } : given.redirect
  app.addHook('onRequest', function toHttps(request, reply, done) {
    // Behind a trusted proxy that has TLS itself, it is https.
    if (request.protocol === 'https' || isChallenge(request)) done()
    else redirect(request, reply, to)
  })
}

/** RFC 9110 §15.5.20: a connection that was made under one host's rules is none of another's. */
function addMisdirected(app: FastifyInstance, directory: Directory): void {
  app.addHook('onRequest', function misdirect(request, _reply, done) {
    const connection = connectionOf(request)
    const host = request.headers.host ?? ''
    if (connection !== undefined) done(connection.fits(host, directory) ? undefined : misdirected())
    // Nobody comes past the certificates by asking without TLS.
    else done(directory.rulesFor(nameOf(host)) === undefined || isChallenge(request) ? undefined : misdirected())
  })
}

function misdirected(): GatewayError {
  return new GatewayError('GTW_ERR_MISDIRECTED', { detail: 'the host has other rules for certificates of clients' })
}
