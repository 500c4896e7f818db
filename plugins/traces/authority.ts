export interface Authority {
  /** A name or an address, without brackets. */
  address: string
  port: number
}

/** What a Host field says; the port of the scheme where it has none. */
export function parseAuthority(host: string, scheme: string): Authority {
  const bracket = host.indexOf(']')
  const colon = host.indexOf(':', bracket + 1)
  const port = colon === -1 ? 0 : Number(host.slice(colon + 1))
  const name = colon === -1 ? host : host.slice(0, colon)
  return {
    address: bracket === -1 ? name : name.slice(1, bracket),
    port: Number.isInteger(port) && port > 0 ? port : scheme === 'https' ? 443 : 80
  }
}

/** Answers the same again while the same is asked: nearly every request names the host that the one before it named. */
export function authorities(): typeof parseAuthority {
  let lastHost = ''
  let lastScheme = ''
  let last: Authority = { address: '', port: 0 }
  return (host, scheme) => {
    if (host === lastHost && scheme === lastScheme) return last
    lastHost = host
    lastScheme = scheme
    last = parseAuthority(host, scheme)
    return last
  }
}
