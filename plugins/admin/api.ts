import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, type TObject, Type } from 'typebox'
import { checkOptions, OptionsError } from '../../src/index.js'
import { Refusal } from './problem.js'

/** What an answer is, for the description of the API. */
export interface Described {
  description: string
  /** application/json unless said otherwise. */
  type?: string
  schema?: object
}

/** One call of the API: what runs, and what is told of it. */
export interface Call<Query extends TObject = TObject, Body extends TObject = TObject> {
  method: 'GET' | 'POST'
  url: string
  summary: string
  /** Anybody may call it, without the token. */
  open?: boolean
  /** Its answer has no end: there is no HEAD of it. */
  endless?: boolean
  query?: Query
  body?: Body
  /** By status; those that any call may have are added. */
  answers: Record<number, Described>
  /** @throws Refusal */
  handle(asked: { query: Static<Query>; body: Static<Body> }, reply: FastifyReply, request: FastifyRequest): unknown
}

/** Keeps the types of query and body together. */
export function call<
  Query extends TObject = TObject<Record<never, never>>,
  Body extends TObject = TObject<Record<never, never>>
>(definition: Call<Query, Body>): Call {
  return definition as unknown as Call
}

const nothing = Type.Object({})

/** @throws Refusal 400 that says which field is wrong, and what is allowed */
export function read({ query, body }: Call, request: FastifyRequest): Parameters<Call['handle']>[0] {
  return {
    query: check('query', query ?? nothing, parsed(query ?? nothing, request.query as Record<string, unknown>)),
    body: body === undefined ? empty(request.body) : check('body', body, request.body ?? {})
  }
}

function check(name: string, schema: TObject, given: unknown): Record<string, unknown> {
  try {
    return checkOptions(name, schema, given) as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error
    throw new Refusal(400, error.message.replace(/\boption(s?)\b/g, 'field$1'))
  }
}

function empty(body: unknown): Record<string, unknown> {
  if (body === undefined || body === null) return {}
  throw new Refusal(400, 'body: this call takes none')
}

/** Text is all a query has: numbers and booleans become what they are, and lists are lists of one, too. */
function parsed(schema: TObject, given: Record<string, unknown>): object {
  const read: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const { type } = (schema.properties[name] ?? {}) as { type?: string }
    if (type === 'array' && !Array.isArray(value)) read[name] = [value]
    else if (type === 'boolean' && (value === 'true' || value === '')) read[name] = true
    else if (type === 'boolean' && value === 'false') read[name] = false
    else if ((type === 'integer' || type === 'number') && value !== '' && Number.isFinite(Number(value))) {
      read[name] = Number(value)
    } else read[name] = value
  }
  return read
}
