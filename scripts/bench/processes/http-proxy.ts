import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { announce, originUrl } from '../../announce.js'
import { listen } from './listen.js'

const app = Fastify({ logger: false })
app.register(httpProxy, {
  upstream: originUrl(),
  disableRequestLogging: true,
  replyOptions: { retryDelay: () => null }
})

announce(await listen(app))
