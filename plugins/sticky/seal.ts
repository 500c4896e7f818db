import { createHmac } from 'node:crypto'
import { Signer } from '@fastify/cookie'

/**
 * Makes the value of a cookie from the url of an endpoint: an opaque id and its signature. The id is keyed, too, as there
 * are few enough private addresses to try a plain hash of each.
 */
export class Seal {
  readonly #secret: string
  readonly #signer: Signer

  constructor(secret: string) {
    this.#secret = secret
    this.#signer = new Signer(secret)
  }

  valueFor(url: string): string {
    const id = createHmac('sha256', this.#secret).update(`endpoint ${url}`).digest('base64url').slice(0, 16)
    return this.#signer.sign(id)
  }
}
