/**
 * Decodes base64 that comes in pieces, and that may be padded at the end of each message.
 * @throws Error when it is not base64
 */
export class Base64Decoder {
  #rest = ''

  decode(chunk: Buffer): Buffer {
    const text = this.#rest + chunk.toString('latin1')
    const whole = text.length - (text.length % 4)
    this.#rest = text.slice(whole)
    const parts: Buffer[] = []
    for (let at = 0; at < whole; ) {
      const padding = text.indexOf('=', at)
      const end = padding < 0 || padding >= whole ? whole : padding - (padding % 4) + 4
      parts.push(decodeRun(text.slice(at, end)))
      at = end
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** All has been given. */
  end(): void {
    if (this.#rest !== '') throw new Error('base64 that ends early')
  }
}

function decodeRun(text: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('no base64')
  return Buffer.from(text, 'base64')
}
