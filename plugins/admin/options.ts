import { Type } from 'typebox'

export const options = Type.Object({
  host: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description: 'The address it listens on; one that others can reach needs a `token`.'
  }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: 9_000,
    description: '0: a free one, which the log tells.'
  }),
  path: Type.Optional(
    Type.String({
      pattern: '^/[^\\0]{1,100}$',
      title: 'the path of a file, from the root',
      description: 'A unix socket, in place of `host` and `port`.'
    })
  ),
  token: Type.Optional(
    Type.String({
      pattern: '^[\\w~+/.=-]{16,}$',
      title: 'a token of at least 16 letters, digits and -._~+/=',
      description: 'Asked of each caller as `Authorization: Bearer …`, but for `/livez` and `/readyz`.'
    })
  ),
  hosts: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: 'Names by which it is called, beside `localhost` and addresses; with a `token`, any name is.'
  })
})
