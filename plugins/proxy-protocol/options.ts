import { Type } from 'typebox'

export const options = Type.Object({
  from: Type.Union([Type.Literal('all'), Type.Array(Type.String({ title: 'an address or a network' }))], {
    title: '"all", or an array of addresses and networks',
    description:
      'Whose header is read, such as `["10.0.0.0/8"]`. Others are clients, and a header of theirs is no HTTP.'
  }),
  unix: Type.Boolean({ default: false, description: 'Whether that of connections over socket files is read, too.' }),
  required: Type.Boolean({
    default: true,
    description: 'Closes a connection of theirs that has none; else it is served as theirs.'
  }),
  deadline: Type.Integer({
    minimum: 1,
    maximum: 2_147_483_647,
    default: 3_000,
    description: 'Milliseconds until the whole header has arrived.'
  })
})
