import { Type } from 'typebox'

export const options = Type.Object({
  // Checked by hand: a message of the schema would show it.
  secret: Type.Unsafe<string | string[]>(
    Type.Unknown({
      title: 'a string of at least 32 characters, or an array of them',
      description: 'Signs the cookie. Of several the first signs, and the others are taken until they are gone.'
    })
  ),
  cookie: Type.String({
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    title: 'a token of HTTP',
    default: '__headgate',
    description: 'The name of the cookie; `__Host-` and `__Secure-` demand what browsers demand.'
  }),
  path: Type.Optional(
    Type.String({
      pattern: '^/[^;\\x00-\\x1f\\x7f-\\uffff]*$',
      title: 'a path such as /users',
      description: 'Where the client sends it; the prefix of the scope when left out.'
    })
  ),
  domain: Type.Optional(
    Type.String({
      pattern: '^\\.?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$',
      title: 'a domain',
      description: 'Sent to its subdomains, too; to the host that set it alone when left out.'
    })
  ),
  maxAge: Type.Optional(
    Type.Integer({
      minimum: 1_000,
      maximum: 34_560_000_000,
      description:
        'How long it lives from when it was set, in milliseconds; as long as the browser is open when left out.'
    })
  ),
  httpOnly: Type.Boolean({ default: true, description: 'Hides it from scripts.' }),
  secure: Type.Union([Type.Boolean(), Type.Literal('auto')], {
    default: 'auto',
    title: 'true, false or "auto"',
    description: 'Sent over https alone; `auto`: when the request that is answered came over https.'
  }),
  sameSite: Type.Union([Type.Literal('strict'), Type.Literal('lax'), Type.Literal('none')], {
    default: 'lax',
    description: 'Whether requests from other sites bring it.'
  }),
  partitioned: Type.Boolean({ default: false, description: 'Kept apart for each site that embeds this one.' }),
  forward: Type.Boolean({ default: false, description: 'Shows the endpoint this cookie, too.' })
})
