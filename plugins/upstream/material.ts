import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { OptionsError } from '../../src/index.js'

type Secret = string | Buffer | object

/** Options that are PEM or PKCS#12, or the paths of files with it. */
export type Material = Partial<Record<'ca' | 'cert' | 'key' | 'pfx', unknown>>

const names = ['ca', 'cert', 'key', 'pfx'] as const

/** What node:tls takes: files read. @throws OptionsError naming the option and the file */
export function readMaterial(material: Material): Partial<Record<(typeof names)[number], Secret | Secret[]>> {
  const read: Partial<Record<(typeof names)[number], Secret | Secret[]>> = {}
  for (const name of names) {
    const value = material[name]
    if (value === undefined) continue
    read[name] = Array.isArray(value) ? value.map(item => load(name, item)) : load(name, value)
  }
  if (read.ca !== undefined) for (const ca of [read.ca].flat()) checkAuthorities(String(ca))
  return read
}

/** What it cannot read of authorities, node:tls leaves out without a word: nobody would be trusted. */
function checkAuthorities(text: string): void {
  const begun = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g)?.length ?? 0
  const whole = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [^-]+-----/g) ?? []
  try {
    if (whole.length === 0 || whole.length < begun) throw new Error('no whole certificate')
    for (const certificate of whole) new X509Certificate(certificate)
  } catch (error) {
    const reason = (error as Error).message
    throw new OptionsError(`upstream: option tls.ca has a certificate that cannot be read: ${reason}`, { cause: error })
  }
}

/** The paths among them. */
export function filesOf(material: Material): string[] {
  return names.flatMap(name => material[name] ?? []).filter(isPath)
}

/** Another one when a file is; a file that is not there has none. */
export async function versionOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(files.map(file => stat(file).catch(() => undefined)))
  return stats.map(describe).join()
}

export function versionNow(files: readonly string[]): string {
  return files.map(file => describe(statSync(file, { throwIfNoEntry: false }))).join()
}

function describe(stats: { ino: number; size: number; mtimeMs: number } | undefined): string {
  return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
}

function load(name: string, value: unknown): Secret {
  if (!isPath(value)) return value as Secret
  try {
    return readFileSync(value)
  } catch (error) {
    // It may be a key without its first line, which has no place in a log.
    const shown = /^[^\n]{1,200}$/.test(value) ? JSON.stringify(value) : 'a text'
    const { code } = error as NodeJS.ErrnoException
    throw new OptionsError(
      `upstream: option tls.${name} is ${shown}, which is neither ${name === 'pfx' ? 'a Buffer' : 'PEM'} nor a file that can be read: ${code}`
    )
  }
}

/** PEM has a line that begins it. */
function isPath(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('-----BEGIN')
}
