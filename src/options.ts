import { type TObject, Type } from 'typebox'
import Value from 'typebox/value'
import { OptionsError } from './errors.js'

const nothing = Type.Object({})

/** Fastify's own words in `app.register(plugin, options)`, unless the plugin has an option of that name. */
const registration = ['prefix', 'logLevel', 'logSerializers']

/**
 * The options with defaults filled in, never changing the user's object.
 * @throws OptionsError naming the plugin, the option, the value it has and what is allowed
 */
export function checkOptions(
  name: string,
  schema: TObject = nothing,
  given: unknown = {},
  functions: readonly string[] = []
): object {
  if (typeof given !== 'object' || given === null) throw new OptionsError(`${name}: options must be an object`)
  const plain: Record<string, unknown> = {}
  const callable: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (functions.includes(key)) {
      if (typeof value !== 'function')
        throw new OptionsError(`${name}: option ${key} must be a function, not ${show(value)}`)
      callable[key] = value
    } else if (key in schema.properties || !registration.includes(key)) {
      plain[key] = value
    }
  }
  const strict = closed(schema) as TObject
  const complete = Value.Default(strict, Value.Clone(plain)) as object
  const error = Value.Errors(strict, complete).find(({ keyword }) => keyword !== 'boolean')
  if (error !== undefined)
    throw new OptionsError(`${name}: ${explain(error, complete, Object.keys(schema.properties))}`)
  return Object.assign(complete, callable)
}

/** Unknown keys are refused at every level: a misspelt option must not be a silent default. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy: Record<string, unknown> = {}
  for (const key of Object.getOwnPropertyNames(schema)) {
    const value = (schema as Record<string, unknown>)[key]
    const isData = key === 'default' || key === 'const' || key === 'enum'
    Object.defineProperty(copy, key, {
      value: isData ? value : closed(value),
      enumerable: Object.prototype.propertyIsEnumerable.call(schema, key)
    })
  }
  if (copy.type === 'object' && copy.properties !== undefined && copy.additionalProperties === undefined) {
    copy.additionalProperties = false
  }
  return copy
}

type ValidationError = ReturnType<typeof Value.Errors>[number]

function explain(error: ValidationError, options: object, known: readonly string[]): string {
  const path = error.instancePath.split('/').slice(1).join('.')
  const params = error.params as Record<string, unknown>
  if (error.keyword === 'additionalProperties') {
    const [key] = params.additionalProperties as string[]
    const where = path === '' ? String(key) : `${path}.${key}`
    return `unknown option ${where}; ${path === '' ? `the options are ${known.join(', ') || 'none'}` : 'is it misspelt?'}`
  }
  if (error.keyword === 'required') {
    const [key] = params.requiredProperties as string[]
    return `option ${path === '' ? key : `${path}.${key}`} is missing`
  }
  const allowed = error.keyword === 'enum' ? `must be one of ${JSON.stringify(params.allowedValues)}` : error.message
  return `option ${path} is ${show(valueAt(options, error.instancePath))}, but ${allowed}`
}

function valueAt(options: object, path: string): unknown {
  let value: unknown = options
  for (const key of path.split('/').slice(1)) value = (value as Record<string, unknown> | undefined)?.[key]
  return value
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
