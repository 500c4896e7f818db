import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { OptionsError } from './errors.js'

/** What an app file exports by default: a function that composes a new gateway, or an app of its own. */
export type AppFile = ((app: FastifyInstance, options: { check: boolean }) => unknown) | FastifyInstance

/**
 * Imports an app file; an OptionsError says in one line why that cannot be done.
 * @param times how often it was imported before: a module is loaded once for each address it is asked for by
 */
export async function importAppFile(file: string, times = 0): Promise<{ define: AppFile }> {
  const path = resolve(file)
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new OptionsError(`there is no app file ${path}; give the path of a .js, .mjs or .ts module`)
  }
  const { default: define } = await importModule(file, path, times === 0 ? '' : `?reload=${times}`)
  if (typeof define !== 'function' && !isApp(define)) {
    throw new OptionsError(
      `${file} has no default export that is an app or a function; write: export default app => { … }`
    )
  }
  // In an object, because an app is thenable: to return it from an async function would boot it.
  return { define: define as AppFile }
}

export function isApp(value: unknown): value is FastifyInstance {
  const { listen, register } = (value ?? {}) as Partial<FastifyInstance>
  return typeof value === 'object' && typeof listen === 'function' && typeof register === 'function'
}

async function importModule(file: string, path: string, query: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href + query)
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[mc]?ts$/.test(file)) {
      const message = `Node ${process.version} does not run TypeScript; use Node 22.18 or later, or compile ${file} first`
      throw new OptionsError(message, { cause: error })
    }
    throw blame(file, error)
  }
}

/** Puts the app file, and the line when it can be told, in front of an error that came out of it. */
export function blame(file: string, error: unknown): OptionsError {
  const line = lineOf(resolve(file), error)
  const message = error instanceof Error ? error.message : inspect(error)
  return new OptionsError(`${file}${line === undefined ? '' : `:${line}`}: ${message}`, { cause: error })
}

function lineOf(path: string, error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const lineIn = (text: string, name: string) => text.split(name)[1]?.match(/^(?:\?reload=\d+)?:(\d+)/)?.[1]
  const line = lineIn(stack, pathToFileURL(path).href)
  if (line !== undefined || !(error instanceof SyntaxError)) return line
  // Node keeps the line of a syntax error from import() to itself, but tells it here.
  return lineIn(spawnSync(process.execPath, ['--check', path], { encoding: 'utf8' }).stderr ?? '', path)
}
