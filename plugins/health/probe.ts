import { inspect } from 'node:util'
import { GatewayError } from '../../src/index.js'

/** A way to look whether an endpoint is well. */
export interface Probe {
  /** Looks once. @throws when it does not pass: the message is the reason */
  run(): Promise<void>
  /** Gives up what is under way, and closes every connection; another run opens a new one. */
  close(): void
}

/** The probe of an endpoint that cannot be looked at in the way that the options say. */
export function impossible(error: Error): Probe {
  return { run: () => Promise.reject(error), close() {} }
}

/** One line of a log, whatever was thrown. */
export function reasonOf(error: unknown): string {
  const line = textOf(error).replace(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}

function textOf(error: unknown): string {
  if (error instanceof GatewayError) return error.detail ?? error.message
  // Of several addresses that were tried in vain, node:net tells the code alone.
  if (error instanceof Error) return `${error.message || (error as NodeJS.ErrnoException).code || error.name}`
  return typeof error === 'string' ? error : inspect(error)
}
