import type { FastifyInstance } from 'fastify'
import type { Challenges } from './challenges.js'

/** RFC 8555 §8.3. */
const prefix = '/.well-known/acme-challenge/'

/** Answers the authority before redirects and access rules do; a token that is not ours may be that of an origin. */
export function addHttp01(app: FastifyInstance, challenges: Challenges): void {
  app.addHook('onRequest', function answerHttp01(request, reply, done) {
    const { method, url } = request
    if (!url.startsWith(prefix) || (method !== 'GET' && method !== 'HEAD')) {
      done()
      return
    }
    void challenges.token(url.slice(prefix.length)).then(content => {
      if (content === undefined) done()
      else reply.type('application/octet-stream').send(content)
    })
  })
}
