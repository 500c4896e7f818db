import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { announce, originUrl } from '../../announce.js'

// By default it opens an upstream connection a request; everybody else here keeps them.
const proxy = createProxyServer({ target: originUrl(), agent: new Agent({ keepAlive: true }) })
proxy.on('error', (_error, _request, response) => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502).end()
  else response.destroy()
})

const server = createServer((request, response) => proxy.web(request, response))
server.listen(0, '127.0.0.1', () => announce((server.address() as AddressInfo).port))
