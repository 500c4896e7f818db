import { createPrivateKey } from 'node:crypto'
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { newKey } from './key.js'
import { replace } from './safely.js'

/**
 * The key that the authority knows this gateway by, made when there is none. One that cannot be read is set aside: a new
 * account costs nothing but its limits.
 */
export async function accountKey(storage: string, log: Pick<FastifyBaseLogger, 'error'>): Promise<string> {
  const path = join(storage, 'account.key')
  try {
    const key = await readFile(path, 'utf8')
    createPrivateKey(key)
    return key
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') {
      // It may be good, but not for this user.
      if (syscall !== undefined) throw error
      await rename(path, `${path}.damaged`)
      log.error(
        { path },
        'acme: the key of the account cannot be read; it is set aside, and there will be a new account'
      )
    }
  }
  const key = await newKey('ecdsa-p256')
  await replace(path, key)
  return key
}
