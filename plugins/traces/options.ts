import { type Static, Type } from 'typebox'

export const options = Type.Object({
  trust: Type.Boolean({
    default: true,
    description:
      'Whether the trace and the baggage that a client sends are continued; else each request begins a trace.'
  }),
  context: Type.Boolean({
    default: false,
    description: 'Whether the span is the active one in hooks, handlers and filters; it costs an AsyncLocalStorage.'
  }),
  query: Type.Boolean({
    default: true,
    description: 'Whether queries are recorded, without the values of parameters whose names sound like a secret.'
  }),
  secrets: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: 'Further parameters whose values are not recorded; case does not matter.'
  }),
  methods: Type.Array(Type.String({ minLength: 1 }), {
    default: ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'],
    description: 'Methods recorded by their names; any other one is `_OTHER`.'
  })
})

export type TracesOptions = Static<typeof options>
