import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replace } from './safely.js'

/** What a client of the authority asks for at tls-alpn-01, in PEM. */
export interface AlpnChallenge {
  host: string
  cert: string
  key: string
}

/** RFC 8555 §8.1: base64url. */
const tokens = /^[\w-]{1,256}$/

/**
 * What the authority will ask for while an order is under way: files, so that each worker has them, one that starts in the
 * middle has them, too, and so has the process that takes the place of this one.
 */
export class Challenges {
  readonly #path: string

  constructor(storage: string) {
    this.#path = join(storage, 'challenges')
  }

  /** @throws Error for a token that is none: it comes from the authority, and names a file */
  async addToken(token: string, content: string): Promise<void> {
    if (!tokens.test(token)) throw new Error('the authority has sent a token that is none')
    await replace(join(this.#path, token), content)
  }

  /** @returns undefined: nobody waits for it */
  async token(token: string): Promise<string | undefined> {
    if (!tokens.test(token)) return undefined
    return readFile(join(this.#path, token), 'utf8').catch(() => undefined)
  }

  async addAlpn(challenge: AlpnChallenge): Promise<void> {
    await replace(join(this.#path, `tls.${challenge.host}`), JSON.stringify(challenge))
  }

  async alpn(): Promise<AlpnChallenge[]> {
    const names = await readdir(this.#path).catch(() => [])
    const texts = names
      .filter(name => name.startsWith('tls.') && !name.endsWith('.tmp'))
      .map(name => readFile(join(this.#path, name), 'utf8').catch(() => undefined))
    return (await Promise.all(texts)).filter(text => text !== undefined).map(text => JSON.parse(text) as AlpnChallenge)
  }

  /** To be called when no order is under way: what is left is of a process that has gone. */
  async clear(): Promise<void> {
    for (const name of await readdir(this.#path)) await rm(join(this.#path, name), { recursive: true, force: true })
  }
}
