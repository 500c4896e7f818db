import type { Socket } from 'node:net'
import type { Address } from './address.js'

type Tell = (out: Partial<Address>) => number

/**
 * From now on the ends of the connection are these: for `socket.remoteAddress` and its like, and for those of a TLS socket
 * around it. Both ask the handle at the bottom, so this is the one place where nobody is passed by.
 */
export function announce(socket: Socket, client: Address, server: Address): void {
  const known = socket as unknown as {
    _handle: { getpeername?: Tell; getsockname?: Tell } | null
    _peername: Address | undefined
    _sockname: Address | undefined
  }
  // What was asked before is kept there.
  known._peername = undefined
  known._sockname = undefined
  if (known._handle === null) return
  known._handle.getpeername = telling(client)
  known._handle.getsockname = telling(server)
}

function telling(address: Address): Tell {
  return out => {
    Object.assign(out, address)
    return 0
  }
}
