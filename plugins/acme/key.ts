import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { AcmeOptions } from './options.js'

const generate = promisify(generateKeyPair)

/** A new key, in PEM. */
export async function newKey(type: AcmeOptions['keyType']): Promise<string> {
  const { privateKey } =
    type === 'rsa-2048' || type === 'rsa-4096'
      ? await generate('rsa', { modulusLength: Number(type.slice(4)) })
      : await generate('ec', { namedCurve: type === 'ecdsa-p384' ? 'secp384r1' : 'prime256v1' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}
