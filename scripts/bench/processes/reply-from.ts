import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'
import { announce, originUrl } from '../../announce.js'
import { fastifyOptions, waiting } from './front.js'
import { listen } from './listen.js'

const app = Fastify(fastifyOptions)
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.register(replyFrom, {
  base: originUrl(),
  disableRequestLogging: true,
  ...(waiting !== undefined && { undici: { connections: waiting } })
})

const once = { retryDelay: () => null }
app.all('/*', (_request, reply) => reply.from(undefined, once))

announce(await listen(app))
