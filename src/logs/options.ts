import { type Static, Type } from 'typebox'

/** What a line can hold, in this order; the request's id is in every line. */
export const lineFields = [
  'method',
  'host',
  'url',
  'protocol',
  'tls',
  'status',
  'client',
  'received',
  'sent',
  'duration',
  'upstream',
  'endpoint',
  'attempts',
  'aborted',
  'code',
  'cache',
  'limit',
  'trace'
] as const

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"

/** The gateway's option `accessLog`, when it is an object. */
export const accessLogOptions = Type.Object(
  {
    format: Type.Union([Type.Literal('json'), Type.Literal('combined')], {
      default: 'json',
      description: 'combined is the line of Apache and nginx, for tools that read theirs.'
    }),
    fields: Type.Array(
      Type.String({
        pattern: `^(?:\\*|${lineFields.join('|')}|(?:request|response|note)\\.${token})$`,
        title: `* (the usual ones), ${lineFields.join(', ')}, request.FIELD, response.FIELD or note.NAME`
      }),
      {
        default: ['*'],
        title: 'an array of names',
        description: 'What a line of JSON holds, beside the id of the request.'
      }
    ),
    sample: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 1,
      description: 'The share of requests that get a line; those that failed always do.'
    }),
    redact: Type.Union([Type.Array(Type.String({ minLength: 1 })), Type.Literal(false)], {
      default: [],
      title: 'an array of names, or false',
      description: 'Parameters of a query to mask, beside those that look like secrets; false masks none.'
    }),
    file: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'Lines go there instead of to the logger (or stdout); SIGHUP opens it anew.'
      })
    ),
    stream: Type.Optional(
      Type.Unknown({
        title: 'an object with write(line)',
        description: 'The same, for a stream: a transport of pino is one.'
      })
    )
  },
  { title: 'an object', description: 'How, and where to.' }
)

export type AccessLogOptions = Static<typeof accessLogOptions>

export type Redact = AccessLogOptions['redact']
