import { randomBytes } from 'node:crypto'

/**
 * The key that the session tickets of all workers begin with. It runs once for the whole gateway: in the primary, or in
 * the only process, where it outlasts reloads.
 */
let current: { key: string; born: number } | undefined

export interface TicketKey {
  key: string
  /** Milliseconds until there is another one. */
  left: number
}

export function ticketKey(rotation: number, now: number = performance.now()): TicketKey {
  if (current === undefined || now - current.born >= rotation) {
    current = { key: randomBytes(32).toString('base64'), born: now }
  }
  return { key: current.key, left: Math.ceil(rotation - (now - current.born)) }
}
