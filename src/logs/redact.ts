import type { Redact } from './options.js'

/** What stands in the place of a secret. */
export const masked = '***'

/** Names that say what they hold. No part of it repeats, so that a long name costs no more than its length. */
const telling =
  /token|secret|passw|passphrase|pwd|signature|credential|authorization|cookie|session[-_]?id|(?:api|access|private)[-_.]?key|^(?:key|code|auth|sig|jwt|otp|pin|sid|session|assertion|samlrequest|samlresponse)$/i

/** The name of a parameter, wherever one may begin: services differ on `;`, and answers put tokens behind `#`. */
const parameter = /[?&#;]([^?&#;=]*)=/g

/** Masks the secrets of a URL: values of telling parameters, and a password before the host. */
export type Mask = (url: string) => string

/** @param names parameters to mask beside those that tell; false: none at all */
export function mask(names: Redact = []): Mask {
  if (names === false) return url => url
  const own = new Set(names.map(name => name.toLowerCase()))
  const isSecret = (written: string) => {
    const name = decoded(written)
    return own.has(name.toLowerCase()) || telling.test(name)
  }
  return url => {
    // Nearly every target is a path, and most have no parameters.
    const known = url.charCodeAt(0) === 47 ? url : url.replace(/^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i, `$1${masked}@`)
    return known.includes('=') ? maskParameters(known, isSecret) : known
  }
}

function maskParameters(url: string, isSecret: (name: string) => boolean): string {
  let shown = ''
  let from = 0
  parameter.lastIndex = 0
  for (let found = parameter.exec(url); found !== null; found = parameter.exec(url)) {
    if (!isSecret(found[1] as string)) continue
    shown += url.slice(from, parameter.lastIndex) + masked
    from = endOfValue(url, parameter.lastIndex)
    parameter.lastIndex = from
  }
  return from === 0 ? url : shown + url.slice(from)
}

/** A `;` may be part of a secret. */
function endOfValue(url: string, start: number): number {
  for (let at = start; at < url.length; at++) {
    const code = url.charCodeAt(at)
    if (code === 38 || code === 35) return at
  }
  return url.length
}

function decoded(name: string): string {
  if (!name.includes('%')) return name
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** Whether the value of a header field is never logged, whatever was selected. */
export function isSecretField(name: string): boolean {
  return telling.test(name)
}
