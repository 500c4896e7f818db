import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'
import { announce, originUrl } from '../../announce.js'
import { listen } from './listen.js'

const app = Fastify({ logger: false })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.register(replyFrom, { base: originUrl(), disableRequestLogging: true })

const once = { retryDelay: () => null }
app.all('/*', (_request, reply) => reply.from(undefined, once))

announce(await listen(app))
