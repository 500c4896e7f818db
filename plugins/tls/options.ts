import { type Static, Type } from 'typebox'

const longestTimer = 2_147_483_647

const pem = { title: 'a file, or PEM in a string or Buffer, or an array of them' }

const clients = Type.Object(
  {
    ca: Type.Unknown({ ...pem, description: 'The authorities whose certificates count.' }),
    crl: Type.Optional(Type.Unknown({ ...pem, description: 'Lists of those revoked, one for each authority.' })),
    required: Type.Optional(Type.Boolean({ description: 'false: who has none is served, too. Default: true.' })),
    forward: Type.Optional(
      Type.Union([Type.Literal('certificate'), Type.Literal('chain'), Type.Literal('none')], {
        description: 'What the upstream is told. Default: the certificate.'
      })
    )
  },
  { title: 'an object { ca }' }
)

const entry = Type.Object(
  {
    hosts: Type.Optional(Type.Array(Type.String({ pattern: '^(?:\\*\\.)?[^*\\s/]+$', title: 'a name or *.name' }))),
    cert: Type.Optional(Type.Unknown(pem)),
    key: Type.Optional(Type.Unknown(pem)),
    pfx: Type.Optional(Type.Unknown({ title: 'a file or a Buffer of PKCS#12, or an array of them' })),
    passphrase: Type.Optional(Type.String()),
    default: Type.Optional(Type.Boolean()),
    clients: Type.Optional(clients)
  },
  { title: 'an object { cert, key } or { pfx }' }
)

/** One of the option `certificates`. */
export type Entry = Static<typeof entry>

export type ClientOptions = Static<typeof clients>

export const options = Type.Object({
  certificates: Type.Array(entry, {
    default: [],
    description: 'See below. The first one, or that with `default: true`, is for names that no other one has.'
  }),
  selfSigned: Type.Boolean({
    default: false,
    description: 'For a try: makes a certificate for localhost that nobody vouches for.'
  }),
  unknown: Type.Union([Type.Literal('default'), Type.Literal('reject')], {
    default: 'default',
    description: 'What is done with a name that no certificate has; reject: the alert `unrecognized_name`.'
  }),
  expired: Type.Union([Type.Literal('refuse'), Type.Literal('warn')], {
    default: 'refuse',
    description: 'What is done with a certificate that is not valid when it is loaded; refuse: no boot, or no reload.'
  }),
  profile: Type.Union([Type.Literal('intermediate'), Type.Literal('modern')], {
    default: 'intermediate',
    description: 'Mozilla’s: TLS 1.2 and 1.3, or 1.3 alone.'
  }),
  minVersion: Type.Optional(
    Type.Union([Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')], { description: 'In place of that of the profile.' })
  ),
  ciphers: Type.Optional(
    Type.Array(Type.String(), {
      minItems: 1,
      title: 'an array of names, as OpenSSL has them',
      description: 'In place of those of the profile.'
    })
  ),
  curves: Type.Optional(
    Type.Array(Type.String(), {
      minItems: 1,
      title: 'an array of names, as OpenSSL has them',
      description: 'In place of X25519, prime256v1 and secp384r1.'
    })
  ),
  handshake: Type.Object(
    {
      timeout: Type.Integer({
        minimum: 1,
        maximum: longestTimer,
        default: 10_000,
        description: 'Milliseconds from the connection to the end of its handshake.'
      }),
      rate: Type.Integer({
        minimum: 0,
        default: 0,
        description: 'The most in a second, of each worker; further connections are closed. 0: any number.'
      })
    },
    { default: {}, description: 'Of each connection.' }
  ),
  tickets: Type.Object(
    {
      rotation: Type.Integer({
        minimum: 1_000,
        default: 43_200_000,
        description: 'Milliseconds until there is another key; who has an older ticket makes a full handshake.'
      }),
      secret: Type.Optional(
        Type.String({
          minLength: 32,
          title: 'a string of at least 32 characters',
          description: 'Keys are made of it and the time: for several gateways, and to outlast restarts.'
        })
      )
    },
    { default: {}, description: 'With which clients resume a session.' }
  ),
  watch: Type.Object(
    {
      settle: Type.Integer({
        minimum: 0,
        maximum: 60_000,
        default: 250,
        description: 'Milliseconds without another change until files are read again.'
      }),
      interval: Type.Integer({
        minimum: 100,
        maximum: longestTimer,
        default: 60_000,
        description: 'Milliseconds between looks at them that need no notice of the file system.'
      })
    },
    { default: {}, description: 'Of the files; SIGHUP reads them, too.' }
  ),
  redirect: Type.Union(
    [
      Type.Boolean(),
      Type.Object({
        port: Type.Integer({ minimum: 1, maximum: 65_535, default: 443, description: 'Where clients find TLS.' }),
        status: Type.Union([Type.Literal(301), Type.Literal(302), Type.Literal(307), Type.Literal(308)], {
          default: 308,
          description: '308 and 307 keep the method.'
        })
      })
    ],
    { default: false, description: 'Sends requests that come without TLS to https; true: to port 443, with 308.' }
  ),
  hsts: Type.Optional(
    Type.Object(
      {
        maxAge: Type.Integer({ minimum: 0, default: 31_536_000, description: 'Seconds.' }),
        includeSubDomains: Type.Boolean({ default: false, description: 'Also for all names below.' }),
        preload: Type.Boolean({ default: false, description: 'Agrees to be built into browsers.' })
      },
      { description: 'Adds `Strict-Transport-Security` to answers over TLS that have none; `{}` for the defaults.' }
    )
  ),
  keyLog: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'A file that the keys of all sessions are added to, to read captured traffic: for debugging alone.'
    })
  )
})

export type Options = Static<typeof options>
