import { readFile, stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { Type } from 'typebox'
import { parse as parseYaml } from 'yaml'
import { checkOptions } from '../../src/index.js'
import { DirectoryWatch } from './directory-watch.js'
import { describe, type EndpointList, type Source } from './source.js'

export interface FileOptions {
  /** A list of endpoints in JSON (`.json`) or YAML (`.yaml`, `.yml`). */
  path: string
  /** Milliseconds between two looks that need no notice of the file system, such as on network drives. Default 5,000. */
  interval?: number
  /** Milliseconds without another change until the file is read. Default 50. */
  settle?: number
  /** Bytes of the file. Default 4 MiB. */
  limit?: number
}

const schema = Type.Object({
  path: Type.String({ pattern: '\\.(?:json|ya?ml)$', title: 'a path that ends in .json, .yaml or .yml' }),
  interval: Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: 5_000 }),
  settle: Type.Integer({ minimum: 0, maximum: 10_000, default: 50 }),
  limit: Type.Integer({ minimum: 1, default: 4_194_304 })
})

/**
 * Endpoints that stand in a file, read again whenever it changes: written in place, replaced by a rename, or reached by a
 * symbolic link that is turned (the ConfigMaps of Kubernetes).
 *
 * @throws OptionsError
 * @example
 * app.register(discovery, { source: file({ path: '/etc/headgate/users.yaml' }) })
 */
export function file(given: FileOptions): Source {
  const options = checkOptions('discovery: file', schema, given) as Required<FileOptions>
  const path = resolve(options.path)
  const parse = extname(path) === '.json' ? readJson : readYaml
  return describe(`file ${path}`, async function* (signal) {
    const watch = new DirectoryWatch(path, options, signal)
    let before: string | undefined
    try {
      while (!signal.aborted) {
        let news: EndpointList | Error | undefined
        let text: string | undefined
        try {
          await watch.open()
          text = await readText(path, options.limit)
          if (text !== before) news = parse(text)
        } catch (error) {
          // Watched all the same: whoever mends the file is waiting for it.
          news = error as Error
        }
        // What failed is told each time, and what is whole again even if it is what it was.
        before = news instanceof Error ? undefined : text
        if (news !== undefined) yield news
        await watch.change()
      }
    } finally {
      watch.close()
    }
  })
}

async function readText(path: string, limit: number): Promise<string> {
  const stats = await stat(path)
  // A pipe or a device would never end.
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > limit) throw new Error(`${path} has more than ${limit} bytes`)
  const bytes = await readFile(path)
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function readJson(text: string): EndpointList {
  return JSON.parse(text)
}

function readYaml(text: string): EndpointList {
  const list = parseYaml(text, { logLevel: 'error' })
  // So is a file that is about to be written.
  if (list === null) throw new Error('the file is empty; an empty list is []')
  return list
}
