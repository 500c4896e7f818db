import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** For a name that nobody else takes. */
export const unique = () => randomBytes(8).toString('hex')

/** Writes a file that outlasts the machine going down; only this user may read it. */
export async function write(path: string, content: string, flags = 'wx'): Promise<void> {
  const file = await open(path, flags, 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Puts a file in the place of another one: whoever reads it finds all of the one, or all of the other. */
export async function replace(path: string, content: string): Promise<void> {
  const temporary = `${path}.${unique()}.tmp`
  try {
    await write(temporary, content)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await settle(dirname(path))
}

/** What was renamed in a directory outlasts the machine going down, too. */
export async function settle(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** A directory that only this user may look into. @returns whether others could until now */
export async function seclude(path: string): Promise<boolean> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const open = ((await stat(path)).mode & 0o077) !== 0
  if (open) await chmod(path, 0o700)
  return open
}
