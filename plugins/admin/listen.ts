import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listenBeside, OptionsError, type Where } from '../../src/index.js'
import { isLoopback } from './access.js'

/** @throws OptionsError in one line */
export async function open(server: Server, where: Where, token: boolean): Promise<string> {
  try {
    await listenBeside('admin', server, where)
  } catch (error) {
    throw explain(error as Error, where)
  }
  const address = server.address() as AddressInfo | string
  if (typeof address === 'string') return `unix:${address}`
  // A socket that systemd has opened is where systemd says.
  if (!token && !isLoopback(address.address)) {
    throw new OptionsError(`admin: its socket is on ${address.address}, where others can reach it: set option token`)
  }
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

function explain(error: Error, where: Where): Error {
  const { code } = error as { code?: string }
  const address = 'path' in where ? where.path : `${where.host} port ${where.port}`
  const reasons: Record<string, string> = {
    EADDRINUSE: 'it is in use; choose another one',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'this machine has no such address',
    EACCES: 'this process may not'
  }
  return new OptionsError(`admin: cannot listen on ${address}: ${reasons[code ?? ''] ?? error.message}`, {
    cause: error
  })
}
