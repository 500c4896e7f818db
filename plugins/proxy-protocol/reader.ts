import type { Socket } from 'node:net'
import { type Header, isHeader, parse } from './header.js'

export interface ReaderOptions {
  required: boolean
  /** Milliseconds for the whole header. */
  deadline: number
}

/**
 * Reads the header from a connection, whatever parts it comes in, and puts back what is behind it.
 *
 * @param done called once, with the header, with undefined where there is none and none is required, or with the reason why
 * the connection cannot be served; not at all when the client leaves before it has sent a byte
 */
export function readHeader(
  socket: Socket,
  { required, deadline }: ReaderOptions,
  done: (header: Header | undefined, reason?: string) => void
): void {
  let bytes: Buffer | undefined
  const settle = () => {
    clearTimeout(timer)
    socket.removeListener('readable', onReadable).removeListener('end', onEnd).removeListener('close', settle)
  }
  const pass = (header: Header | undefined, rest: Buffer | undefined) => {
    settle()
    if (rest !== undefined && rest.length > 0) socket.unshift(rest)
    done(header)
  }
  const refuse = (reason: string) => {
    settle()
    done(undefined, reason)
  }
  const onReadable = () => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    bytes = bytes === undefined ? chunk : Buffer.concat([bytes, chunk])
    if (!required && !isHeader(bytes)) return pass(undefined, bytes)
    try {
      const header = parse(bytes)
      if (header !== undefined) pass(header, bytes.subarray(header.length))
    } catch (error) {
      refuse((error as Error).message)
    }
  }
  const onEnd = () => {
    if (bytes !== undefined) return refuse('a header that is cut off')
    settle()
    socket.destroy()
  }
  const timer = setTimeout(() => {
    if (required) refuse(`no header within ${deadline} ms`)
    else pass(undefined, bytes)
  }, deadline)
  socket.on('readable', onReadable).on('end', onEnd).on('close', settle)
}
