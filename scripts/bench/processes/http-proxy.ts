import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { announce, originUrl } from '../../announce.js'
import { fastifyOptions } from './front.js'
import { listen } from './listen.js'

const app = Fastify(fastifyOptions)
app.register(httpProxy, {
  upstream: originUrl(),
  disableRequestLogging: true,
  replyOptions: { retryDelay: () => null }
})

announce(await listen(app))
