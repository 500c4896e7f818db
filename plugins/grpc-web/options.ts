import { Type } from 'typebox'

export const options = Type.Object({})
