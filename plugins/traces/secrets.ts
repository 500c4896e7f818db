/** Anywhere in the name of a parameter, or as all of it or of what is in brackets. */
const suspicious =
  /token|secret|passw|passphrase|signature|credential|api[-_]?key|access[-_]?key|private[-_]?key|(?:^|[[.])(?:sig|key|code|auth|authorization|jwt|otp|pass|pin|pwd|session|session[-_]?id|sid)(?:$|\])/i

/** What OpenTelemetry's semantic conventions put in the place of a value. */
const redacted = 'REDACTED'

const ampersand = 38
const semicolon = 59
const equals = 61

/** Takes the values of parameters that may be secrets out of a query; all else stays as it was sent. */
export class Secrets {
  readonly #names: ReadonlySet<string>

  /** @param names beside those that sound like one */
  constructor(names: readonly string[] = []) {
    this.#names = new Set(names.map(name => name.toLowerCase()))
  }

  /** @param query without its `?` */
  mask(query: string): string {
    let masked = ''
    let copied = 0
    let start = 0
    let equal = -1
    // One pass, whatever a client sends. Some servers separate parameters at semicolons, too.
    for (let index = 0; index <= query.length; index++) {
      const char = index === query.length ? ampersand : query.charCodeAt(index)
      if (char === equals && equal === -1) equal = index
      if (char !== ampersand && char !== semicolon) continue
      if (equal !== -1 && index > equal + 1 && this.#secret(query.slice(start, equal))) {
        masked += query.slice(copied, equal + 1) + redacted
        copied = index
      }
      start = index + 1
      equal = -1
    }
    return copied === 0 ? query : masked + query.slice(copied)
  }

  #secret(spelling: string): boolean {
    const name = spelling.includes('%') ? decoded(spelling) : spelling
    return suspicious.test(name) || (this.#names.size > 0 && this.#names.has(name.toLowerCase()))
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
