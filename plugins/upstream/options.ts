import { Type } from 'typebox'
import type { EndpointInput } from '../../src/index.js'

const time = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: value, description })

const pem = { title: 'PEM, the path of its file, a Buffer, or an array of them' }
const versions = [Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')]

/** One endpoint, where more than its url is to be said. */
const endpoint = Type.Object({
  url: Type.String(),
  weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 127 })),
  labels: Type.Optional(Type.Record(Type.String(), Type.String(), { title: 'an object of strings' })),
  authority: Type.Optional(Type.String({ minLength: 1 }))
})

export const options = Type.Object({
  endpoints: Type.Array(Type.Unsafe<string | EndpointInput>(Type.Union([Type.String({ title: 'a url' }), endpoint])), {
    description:
      'Addresses of the service: `http://host:port/base`, `https://host`, `unix:/path`; or `{ url, weight, priority, labels, authority }`. `[]` where discovery brings them.'
  }),
  spill: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.5,
    description:
      'With a smaller share of a priority available, a part of its requests goes to the next one; 0: all stay while one is left.'
  }),
  panic: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0,
    description: 'With a smaller share available, and no backups, what health checks say is ignored; 0: never.'
  }),
  host: Type.String({
    pattern: "^(?:[A-Za-z0-9._~!$&'()*+=%-]+|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?$",
    title: '"preserve", "rewrite" or a host',
    default: 'preserve',
    description: 'The Host sent: `preserve` the client’s, `rewrite` to the endpoint’s own, or a fixed one.'
  }),
  timeouts: Type.Object(
    {
      connect: time(3_000, 'Until a connection (and its TLS) stands.'),
      response: time(60_000, 'Until the header of the answer.'),
      body: time(60_000, 'Without a byte of its body.'),
      idle: time(30_000, 'How long an idle connection is kept.'),
      ping: time(
        10_000,
        'HTTP/2: silence on a connection with requests until it is asked by PING, and time for its answer.'
      )
    },
    { default: {}, description: 'Deadlines towards the endpoints in milliseconds; 0 switches one off.' }
  ),
  connections: Type.Integer({ minimum: 1, default: 1_024, description: 'Connections to one endpoint at once.' }),
  queue: Type.Integer({
    minimum: 0,
    default: 1_024,
    description: 'Requests that wait for one of them; one more is answered 503.'
  }),
  proxyProtocol: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(false)], {
    default: false,
    description:
      'Tells the endpoint whose request comes, in front of each connection; a connection serves one client’s requests then.'
  }),
  streams: Type.Integer({
    minimum: 1,
    default: 100,
    description: 'HTTP/2: requests at once on a connection, where the endpoint takes so many.'
  }),
  tls: Type.Object(
    {
      ca: Type.Optional(Type.Unknown({ ...pem, description: 'The authorities trusted instead of those of Node.' })),
      cert: Type.Optional(Type.Unknown({ ...pem, description: 'The certificate the gateway shows.' })),
      key: Type.Optional(Type.Unknown({ ...pem, description: 'Its key.' })),
      pfx: Type.Optional(
        Type.Unknown({ title: 'PKCS#12: a path, or a Buffer', description: 'Certificate and key in one.' })
      ),
      passphrase: Type.Optional(Type.String({ description: 'Of the key.' })),
      servername: Type.Optional(Type.String({ description: 'The name asked for and verified; else that of the url.' })),
      verifyName: Type.Optional(
        Type.String({ minLength: 1, description: 'The name verified, where it is not the one asked for.' })
      ),
      pins: Type.Optional(
        Type.Array(Type.String({ pattern: '^sha256/[A-Za-z0-9+/]{43}=$', title: '"sha256/…"' }), {
          minItems: 1,
          description:
            'SHA-256 of the public keys (SPKI) that its certificate may have: beside the verification, or without it instead.'
        })
      ),
      rejectUnauthorized: Type.Boolean({ default: true, description: 'Verifies the certificate of the endpoint.' }),
      minVersion: Type.Optional(Type.Union(versions, { description: 'The oldest TLS spoken; else that of Node.' })),
      maxVersion: Type.Optional(Type.Union(versions, { description: 'The newest TLS spoken; else that of Node.' })),
      ciphers: Type.Optional(Type.String({ description: 'Those allowed, as OpenSSL names them.' })),
      reload: time(10_000, 'Milliseconds between looks whether a file is another one; 0: never.')
    },
    { default: {}, description: 'For https, as node:tls takes it; certificates are verified by default.' }
  ),
  transport: Type.Union([Type.Literal('http1'), Type.Literal('http2'), Type.Literal('auto'), Type.Literal('undici')], {
    default: 'http1',
    description:
      'HTTP/1.1; HTTP/2 and nothing else; `auto`: for https what the endpoint chooses, else HTTP/1.1. `undici` is there to compare with.'
  })
})
