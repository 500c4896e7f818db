import { type TObject, type TSchema, Type } from 'typebox'
import Value from 'typebox/value'
import { OptionsError } from './errors.js'

const nothing = Type.Object({})

/** What `app.register` takes for scopes; a plugin made by `plugin()` acts on the scope around it and has none. */
const registration = ['prefix', 'logLevel', 'logSerializers']

/** The part of JSON Schema that options are written in. `title` says in words what is allowed. */
export interface OptionSchema {
  title?: string
  description?: string
  default?: unknown
  type?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: OptionSchema[]
  items?: OptionSchema
  minItems?: number
  minLength?: number
  minimum?: number
  maximum?: number
  properties?: Record<string, OptionSchema>
  required?: string[]
  additionalProperties?: unknown
}

/**
 * The options with defaults filled in at every level, never changing the user's object.
 *
 * @param functions options beside the schema; `others` are checked elsewhere and only listed
 * @throws OptionsError naming the plugin, the option, the value it has and what is allowed
 */
export function checkOptions(
  name: string,
  schema: TObject = nothing,
  given: unknown = {},
  functions: readonly string[] = [],
  others: readonly string[] = []
): object {
  const fail = (problem: string) => new OptionsError(`${name}: ${problem}`)
  if (!isPlain(given)) throw fail(`the options are ${show(given)}, but must be an object`)
  const plain: Record<string, unknown> = {}
  const callable: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (functions.includes(key)) {
      if (typeof value !== 'function') throw fail(`option ${key} is ${show(value)}, but must be a function`)
      callable[key] = value
    } else if (registration.includes(key) && !Object.hasOwn(schema.properties, key)) {
      throw fail(
        `${key} is an option of scopes: app.register(async scope => { scope.register(${name}) }, { ${key}: … })`
      )
    } else {
      plain[key] = value
    }
  }
  const known = [...Object.keys(schema.properties), ...functions, ...others]
  return Object.assign(read(schema as OptionSchema, plain, '', known, fail) as object, callable)
}

type Fail = (problem: string) => OptionsError

/**
 * One recursion instead of the validator's list of errors: it takes what no clone survives (keys, Buffers) as it is,
 * refuses a misspelt name at every level, and of a union tells the fault in the part that was meant.
 */
function read(schema: OptionSchema, value: unknown, path: string, known: string[] | undefined, fail: Fail): unknown {
  if (schema.anyOf !== undefined) {
    const meant = schema.anyOf.find(({ properties }) => properties !== undefined && isPlain(value))
    if (meant !== undefined) return read(meant, value, path, undefined, fail)
  }
  let complete = value
  if (schema.properties !== undefined && isPlain(value)) {
    complete = readObject(schema, schema.properties, value, path, known, fail)
  } else if (schema.items !== undefined && Array.isArray(value)) {
    const { items } = schema
    complete = value.map((item, index) => read(items, item, `${path}[${index}]`, undefined, fail))
  }
  if (!Value.Check(schema as TSchema, complete)) {
    throw fail(`option ${path} is ${show(value)}, but must be ${allowed(schema)}`)
  }
  return complete
}

function readObject(
  schema: OptionSchema,
  properties: Record<string, OptionSchema>,
  value: Record<string, unknown>,
  path: string,
  known: string[] | undefined,
  fail: Fail
): object {
  const below = path === '' ? '' : `${path}.`
  if (schema.additionalProperties === undefined) {
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(properties, key)) continue
      const names = known ?? Object.keys(properties)
      throw fail(`there is no option ${below}${key}; the options ${path === '' ? '' : `of ${path} `}are ${list(names)}`)
    }
  }
  const complete: Record<string, unknown> = schema.additionalProperties === undefined ? {} : { ...value }
  for (const [key, property] of Object.entries(properties)) {
    const given = value[key] ?? (value[key] === undefined ? structuredClone(property.default) : value[key])
    if (given !== undefined) complete[key] = read(property, given, below + key, undefined, fail)
    else if (schema.required?.includes(key)) throw fail(`option ${below}${key} is missing: ${allowed(property)}`)
  }
  return complete
}

/** What a schema allows, in words: for errors, and for the tables in the documentation. */
export function allowed(schema: OptionSchema): string {
  const { title, type, anyOf, minimum, maximum } = schema
  if (title !== undefined) return title
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(value => JSON.stringify(value)).join(' or ')
  if (anyOf !== undefined) return anyOf.map(allowed).join(' or ')
  switch (type) {
    case 'boolean':
      return 'true or false'
    case 'string':
      return (schema.minLength ?? 0) > 0 ? 'a string that is not empty' : 'a string'
    case 'integer':
    case 'number': {
      const noun = type === 'integer' ? 'a whole number' : 'a number'
      if (minimum !== undefined && maximum !== undefined) return `${noun} from ${minimum} to ${maximum}`
      if (minimum !== undefined) return `${noun}, at least ${minimum}`
      return maximum === undefined ? noun : `${noun}, at most ${maximum}`
    }
    case 'array': {
      const items = schema.items === undefined ? '' : `, each ${allowed(schema.items)}`
      return `${(schema.minItems ?? 0) > 0 ? 'an array that is not empty' : 'an array'}${items}`
    }
    case 'object': {
      const names = (schema.required ?? []).filter(name => schema.properties?.[name]?.default === undefined)
      return names.length > 0 && schema.default === undefined ? `an object { ${names.join(', ')} }` : 'an object'
    }
    default:
      return 'anything'
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !Buffer.isBuffer(value) && !(value instanceof URL)
}

function list(names: string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' && typeof value !== 'string') return String(value)
  let text: string
  try {
    text = JSON.stringify(value)
  } catch {
    return 'an object'
  }
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
