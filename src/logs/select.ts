import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Line } from './line.js'
import { isSecretField, type Mask, masked } from './redact.js'

/** Cuts a line down to what was asked for, and adds header fields. */
export type Select = (line: Line, request: FastifyRequest, reply: FastifyReply) => Line

interface Header {
  /** Its name in the line: `request.user-agent`. */
  key: string
  name: string
}

/** @returns undefined when a line stays as it is */
export function select(fields: readonly string[], mask: Mask): Select | undefined {
  if (fields.length === 1 && fields[0] === '*') return undefined
  const all = fields.includes('*')
  const names = fields.filter(field => field !== '*' && !/^re(?:quest|sponse)\./.test(field)).map(unnoted)
  const asked = headers(fields, 'request.')
  const answered = headers(fields, 'response.')
  const value = (name: string, given: unknown): unknown => {
    if (given === undefined) return undefined
    return isSecretField(name) ? masked : mask(Array.isArray(given) ? given.join(', ') : String(given))
  }
  return (line, request, reply) => {
    const { reqId } = line
    const selected = (all ? line : reqId === undefined ? {} : { reqId }) as Line
    if (!all) for (const name of names) selected[name] = line[name]
    for (const { key, name } of asked) selected[key] = value(name, request.headers[name])
    for (const { key, name } of answered) selected[key] = value(name, reply.getHeader(name))
    return selected
  }
}

function unnoted(field: string): string {
  return field.replace(/^note\./, '')
}

function headers(fields: readonly string[], prefix: string): Header[] {
  return fields
    .filter(field => field.startsWith(prefix))
    .map(field => ({ key: field.toLowerCase(), name: field.slice(prefix.length).toLowerCase() }))
}
