import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'

/**
 * The ids of all POSTs that were carried out, by whatever origin. They are written at once, so that a process killed
 * a moment later has not forgotten them.
 */
export function writer(file: string): (id: string) => void {
  const descriptor = openSync(file, 'a')
  return id => {
    writeSync(descriptor, `${id}\n`)
  }
}

export function begin(file: string): void {
  writeFileSync(file, '')
}

/** How many ids are there more than once. */
export function repeated(file: string): number {
  const seen = new Set<string>()
  const again = new Set<string>()
  for (const id of readFileSync(file, 'utf8').split('\n')) {
    if (seen.has(id)) again.add(id)
    seen.add(id)
  }
  return again.size
}
