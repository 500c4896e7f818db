import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { pages } from '../scripts/options-table.js'
import { help } from '../src/cli.js'
import { errors } from '../src/index.js'

/** Compiled, this file is in dist/test. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const files = [
  'README.md',
  'src/README.md',
  ...readdirSync(join(root, 'plugins')).map(name => `plugins/${name}/README.md`)
].filter(file => existsSync(join(root, file)))

t.test('the tables of options are those of the schemas', async t => {
  for (const { file, text, upToDate } of await pages()) {
    t.equal(text, upToDate, `${file}: run node dist/scripts/options-table.js`)
  }
})

t.test('each plugin has a page', async t => {
  for (const name of readdirSync(join(root, 'plugins'), { withFileTypes: true })) {
    if (name.isDirectory()) t.ok(existsSync(join(root, 'plugins', name.name, 'README.md')), name.name)
  }
})

t.test('the table of the command line has all that --help has', async t => {
  const page = read('README.md')
  for (const [flag = ''] of help.matchAll(/--?[a-z-]+(?= [A-Z]+ |, | {2})/g)) t.match(page, `\`${flag}`, flag)
  for (const [variable = ''] of help.matchAll(/\b(?:HOST|PORT|LOG_LEVEL|HEADGATE_\w+)\b/g)) {
    t.match(page, `\`${variable}\``, variable)
  }
})

t.test('the codes in the pages are those of the table of errors', async t => {
  for (const file of files) {
    for (const [code = ''] of read(file).matchAll(/GTW_ERR_\w+/g)) t.ok(Object.hasOwn(errors, code), `${file}: ${code}`)
  }
  for (const [, code = '', status] of read('plugins/upstream/README.md').matchAll(/^\| `(GTW_\w+)`.*?\| (\d+) /gm)) {
    t.equal(errors[code as keyof typeof errors][0], Number(status), code)
  }
})

t.test('links lead somewhere', async t => {
  for (const file of files) {
    for (const [, link = ''] of read(file).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      t.ok(existsSync(join(root, dirname(file), link)), `${file}: ${link}`)
    }
  }
})

t.test('the map of src has each of its files', async t => {
  const page = read('src/README.md')
  for (const { name } of readdirSync(join(root, 'src'), { withFileTypes: true })) {
    if (name !== 'README.md') t.match(page, `\`${name.replace(/\.ts$/, '')}\``, name)
  }
})
