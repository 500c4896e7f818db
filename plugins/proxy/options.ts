import { Type } from 'typebox'

const path = { pattern: '^(?:/[^/?#\\s]+)*$', title: 'a path such as /users, without a slash at its end' }

export const options = Type.Object({
  prefix: Type.String({
    ...path,
    default: '',
    description: 'Forwards only this path and what is below it, itself below the prefix of the scope.'
  }),
  rewritePrefix: Type.Optional(
    Type.String({
      ...path,
      description: 'What the upstream gets in place of the whole prefix, the scope’s too; an empty string strips it.'
    })
  )
})
