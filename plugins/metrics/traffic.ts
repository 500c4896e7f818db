import type { Socket } from 'node:net'
import type { Value } from './series.js'

const kCounted = Symbol('headgate.metrics.bytes')

interface Counted {
  read: number
  written: number
}

/** A connection, or what stands for one where a request was injected. */
type Counting = Partial<Pick<Socket, 'bytesRead' | 'bytesWritten'>> & { [kCounted]?: Counted }

/**
 * Counts the bytes that have gone over the connection since the last request on it: nobody has to look at a body for
 * that. Where answers wait for each other, bytes may count for the one before.
 */
export function countBytes(socket: Counting | null, read: Value, written: Value): void {
  if (!socket?.bytesRead) return
  const { bytesRead, bytesWritten = 0 } = socket
  let counted = socket[kCounted]
  if (counted === undefined) {
    counted = { read: 0, written: 0 }
    socket[kCounted] = counted
  }
  read.value += bytesRead - counted.read
  written.value += bytesWritten - counted.written
  counted.read = bytesRead
  counted.written = bytesWritten
}
