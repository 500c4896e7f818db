import { createRequire } from 'node:module'
import { OptionsError } from '../../src/index.js'

export type Acme = typeof import('acme-client')

const require = createRequire(import.meta.url)

/** Not an import: only what is asked for at run time can be missed in words. */
export function findAcme(): void {
  try {
    require.resolve('acme-client')
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error
    throw new OptionsError('acme: the package acme-client is missing: npm install acme-client', { cause: error })
  }
}

/** Once it is needed, which is in one worker, every two months: it takes 0.2 s and 25 MB. */
export function loadAcme(): Acme {
  return require('acme-client') as Acme
}
