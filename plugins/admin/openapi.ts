import type { Call } from './api.js'

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong, and what is allowed.' }
  }
}

interface Property {
  description?: string
}

/** The calls as an OpenAPI 3.1 document; its schemas are JSON Schema, as those of the calls are. */
export function openapi(calls: readonly Call[], { version, token }: { version: string; token: boolean }): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const call of calls) {
    paths[call.url] = { ...paths[call.url], [call.method.toLowerCase()]: operation(call, token) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Headgate admin', version, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      schemas: { Problem: problem },
      ...(token ? { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } : {})
    }
  }
}

function operation({ method, url, summary, open, query, body, answers }: Call, token: boolean): object {
  const responses: Record<string, object> = {}
  for (const [status, { description, type = 'application/json', schema }] of Object.entries(answers)) {
    responses[status] = { description, content: { [type]: { ...(schema && { schema }) } } }
  }
  const refusal = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
  })
  responses[400] ??= refusal('The call is not well-formed: `detail` says why.')
  if (token && !open) responses[401] ??= refusal('The token is missing, or another one.')
  responses[403] ??= refusal('The host is not known here, or the page of another site has called.')
  return {
    operationId: `${method.toLowerCase()}${url.replace(/\W+(\w?)/g, (_all, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(token && !open ? { security: [{ token: [] }] } : {}),
    ...(query && { parameters: parameters(query.properties as Record<string, Property>, query.required ?? []) }),
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses
  }
}

function parameters(properties: Record<string, Property>, required: readonly string[]): object[] {
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(required.includes(name) && !('default' in schema) ? { required: true } : {}),
    ...(description && { description }),
    schema
  }))
}
