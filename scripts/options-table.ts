/**
 * Writes the tables of options into the pages, from the schemas that check them: `node dist/scripts/options-table.js`.
 * @module
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gatewayOptions } from '../src/index.js'
import { allowed, type OptionSchema } from '../src/options.js'

/** Compiled, this file is in dist/scripts. */
const root = new URL('../../', import.meta.url)

const start = '<!-- options -->'
const end = '<!-- /options -->'

export interface Page {
  file: string
  text: string
  /** The same with its table as the schema has it. */
  upToDate: string
}

/** All pages with a table of options. */
export async function pages(): Promise<Page[]> {
  const found = [page('README.md', gatewayOptions as OptionSchema)]
  for (const name of readdirSync(new URL('plugins/', root))) {
    const file = `plugins/${name}/README.md`
    if (!existsSync(new URL(file, root))) continue
    const { options } = (await import(new URL(`dist/plugins/${name}/options.js`, root).href)) as {
      options: OptionSchema
    }
    found.push(page(file, options))
  }
  return found
}

function page(file: string, schema: OptionSchema): Page {
  const text = readFileSync(new URL(file, root), 'utf8')
  const [before, rest] = text.split(start)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`${file} has no ${start} … ${end}`)
  return { file, text, upToDate: `${before}${start}\n${table(schema)}${end}${after}` }
}

/** One row an option; what is in an object has its path as its name. Padded, as Biome formats it. */
export function table(schema: OptionSchema): string {
  const head = ['Option', 'Allowed', 'Default', 'Meaning']
  const rows = [head, ...rowsOf(schema, '')].map(cells => cells.map(cell => cell.replaceAll('|', '\\|')))
  const widths = head.map((_title, column) => Math.max(...rows.map(cells => (cells[column] as string).length)))
  const rule = widths.map(width => '-'.repeat(width))
  const lines = [rows[0] as string[], rule, ...rows.slice(1)].map(
    cells => `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |\n`
  )
  return lines.join('')
}

function rowsOf({ properties = {}, required = [] }: OptionSchema, path: string): string[][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const value = schema.default
    const needed = value === undefined && required.includes(name)
    const shown = value === undefined ? '' : schema.properties === undefined ? `\`${JSON.stringify(value)}\`` : ''
    // The greatest delay of a timer is nothing that a reader chooses by.
    const words = allowed(schema).replace(/ from (\d+) to 2147483647$/, ', at least $1')
    const row = [`\`${path}${name}\``, words, needed ? 'required' : shown, schema.description ?? '']
    // What may be an object, too, has its options in the part that is one.
    const part = schema.anyOf?.find(({ properties }) => properties !== undefined) ?? schema
    return [row, ...rowsOf(part, `${path}${name}.`)]
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const { file, text, upToDate } of await pages()) {
    if (text === upToDate) continue
    writeFileSync(fileURLToPath(new URL(file, root)), upToDate)
    console.log(`${file} has a new table`)
  }
}
