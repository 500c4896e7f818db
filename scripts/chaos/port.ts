import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

const lowest = 10_000

/**
 * A port for a server that comes and goes.
 *
 * It is none of those that the system gives to outgoing connections: while the server is down, one of them could take
 * it, or even reach itself on it (TCP opens simultaneously), so that the gateway would read its own request as an answer.
 */
export async function lastingPort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = lowest + Math.floor(Math.random() * (firstOutgoing() - lowest))
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
      await new Promise(resolve => server.close(resolve))
      return port
    } catch (error) {
      if (tries === 100) throw error
    }
  }
}

function firstOutgoing(): number {
  try {
    const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)
    return Math.max(lowest + 1_000, Number(first))
  } catch {
    // RFC 6335 §6: the range of other systems.
    return 49_152
  }
}
