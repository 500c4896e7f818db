import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createTls } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { announce, originUrl } from '../../announce.js'
import { certificate, protocol } from './front.js'

// By default it opens an upstream connection a request; everybody else here keeps them.
const proxy = createProxyServer({ target: originUrl(), agent: new Agent({ keepAlive: true }) })
proxy.on('error', (_error, _request, response) => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502).end()
  else response.destroy()
})

/** node:http2's compatible classes have no type in common with node:http's. */
const handler = (request: unknown, response: unknown) =>
  proxy.web(request as IncomingMessage, response as ServerResponse)

const servers: Record<typeof protocol, () => Server> = {
  http: () => createServer(handler),
  https: () => createTls({ ...certificate }, handler),
  h2: () => createSecureServer({ allowHTTP1: true, ...certificate }, handler),
  h2c: () => createHttp2(handler)
}

const server = servers[protocol]()
server.listen(0, '127.0.0.1', () => announce((server.address() as AddressInfo).port))
