import { Type } from 'typebox'

export const listener = Type.Object({
  host: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description: 'The address listened on: `0.0.0.0` for all of IPv4, `::` for all.'
  }),
  port: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 65_535, description: 'The port; 0: any that is free. Or a `path`.' })
  ),
  path: Type.Optional(
    Type.String({
      pattern: '^/[^\\0]+$',
      title: 'the path of a file, from the root',
      description: 'A socket file in place of host and port.'
    })
  ),
  mode: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 0o777,
      title: 'a mode from 0 to 0o777',
      description: 'Who may connect to the socket file, such as `0o660`; else what the umask leaves.'
    })
  ),
  tls: Type.Optional(
    Type.Boolean({
      description: 'Whether its connections begin with TLS; else they do where the gateway has certificates.'
    })
  ),
  connections: Type.Integer({
    minimum: 1,
    default: 100_000,
    description: 'Connections at once, of each worker; one more is closed.'
  })
})

/** `NAME` stands for each name that a listener is given. */
export const options = Type.Object({
  NAME: Type.Optional(Type.Object(listener.properties, { description: 'A listener by its name, such as `http`.' }))
})
