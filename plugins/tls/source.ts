import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

/** Where PEM or PKCS#12 comes from: a file, by its path, or what the app file holds itself. */
export interface Source {
  /** For people: the path as it was given. */
  readonly label: string
  /** Undefined where there is no file. */
  readonly path: string | undefined
  readonly bytes: Buffer
}

/**
 * Reads one or several files; PEM itself is taken as it is.
 *
 * @param what the option, for what has no path
 * @throws Error naming file and reason
 */
export async function read(given: unknown, what: string): Promise<Source[]> {
  const all: unknown[] = Array.isArray(given) ? given : [given]
  return Promise.all(all.map(one => readOne(one, what)))
}

async function readOne(given: unknown, what: string): Promise<Source> {
  if (Buffer.isBuffer(given)) return { label: `the Buffer in ${what}`, path: undefined, bytes: given }
  if (typeof given !== 'string' || given === '') throw new Error(`${what} must be a file, or PEM in a string or Buffer`)
  if (given.includes('-----BEGIN')) return { label: `the PEM in ${what}`, path: undefined, bytes: Buffer.from(given) }
  const path = resolve(given)
  try {
    return { label: given, path, bytes: await readFile(path) }
  } catch (error) {
    throw new Error(`${given} cannot be read: ${reasons[codeOf(error)] ?? codeOf(error)}`)
  }
}

/** The paths that are named, whether they can be read or not. */
export function pathsIn(...given: unknown[]): string[] {
  return given
    .flat()
    .filter((one): one is string => typeof one === 'string' && !one.includes('-----BEGIN'))
    .map(path => resolve(path))
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory'
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

/** What OpenSSL says, without numbers and names of its functions. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error
  return message.replace(/^.*?error:[0-9A-F]+:(?:[^:]*:){1,2}\s*/, '').replace(/:\.\.\/.*$/s, '')
}
