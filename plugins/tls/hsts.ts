export interface HstsOptions {
  /** Seconds. */
  maxAge: number
  includeSubDomains: boolean
  preload: boolean
}

/** RFC 6797 §6.1. */
export function hsts({ maxAge, includeSubDomains, preload }: HstsOptions): string {
  return `max-age=${maxAge}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}
