import type { FastifyRequest } from 'fastify'
import type { ClientRequest } from '../client.js'

/**
 * Puts what a plugin decided about a request into its access line: `cache` and `limit` by their names, `trace` where the
 * gateway begins a trace, and whatever else there is to say. The last value of a name counts.
 *
 * @example
 * note(request.client, 'cache', 'hit')
 */
export function note({ raw }: FastifyRequest, name: string, value: string | number | boolean): void {
  const request = raw as ClientRequest
  request.notes ??= {}
  request.notes[name] = value
}
