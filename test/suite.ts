/**
 * All test files, each in a process of its own as `tap run` would start it, but without the loader by which tap learns what
 * a file imports: that takes a second a file, and nobody asks without coverage.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bare } from './bare.js'

const directory = fileURLToPath(new URL('.', import.meta.url))
t.jobs = 3
for (const file of readdirSync(directory, { encoding: 'utf8', recursive: true }).sort()) {
  if (!file.endsWith('.test.js')) continue
  const [command, args] = bare(['--enable-source-maps', directory + file])
  void t.spawn(command, args, { buffered: true, timeout: 240_000 }, file)
}
