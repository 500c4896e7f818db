/** What a client speaks with the proxy: `https` is HTTP/1.1 over TLS, `h2` HTTP/2 over TLS, `h2c` HTTP/2 without. */
export type Protocol = 'http' | 'https' | 'h2' | 'h2c'

/** One kind of request, sent over and over. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly protocol: Protocol
  readonly path: string
  /** Clients that each wait for their answer and then ask again. */
  readonly connections: number
  /** Requests at once on each connection. */
  readonly streams: number
  /** Adds `/1` … `/100000` to the path in turn. */
  readonly urls?: number
  /** Bytes to POST. */
  readonly upload?: number
  /**
   * `handshakes`: a connection for each request, with a full handshake.
   * `idle`: not load, but the memory that requests without an answer take.
   * `cached`: the proxy has the answer in its cache.
   */
  readonly kind?: 'handshakes' | 'idle' | 'cached'
}

const kib = 1024
const mib = 1024 * kib

/** As the benchmark has always asked: 50 connections, HTTP/1.1. */
const plain = { protocol: 'http', connections: 50, streams: 1 } as const
/** TLS is then all that a row differs by from the plain one of its size. */
const https = { ...plain, protocol: 'https' } as const
/** Few connections with many requests: what HTTP/2 is for. */
const h2 = { protocol: 'h2', connections: 10, streams: 10 } as const

export const scenarios: readonly Scenario[] = [
  { name: 'get-100b', title: 'GET 100 B, one URL', path: '/bytes/100', ...plain },
  { name: 'get-100b-urls', title: 'GET 100 B, 100,000 URLs', path: '/bytes/100', urls: 100_000, ...plain },
  { name: 'get-10k', title: 'GET 10 KiB', path: `/bytes/${10 * kib}`, ...plain },
  { name: 'get-100k', title: 'GET 100 KiB', path: `/bytes/${100 * kib}`, ...plain },
  { name: 'get-1m', title: 'GET 1 MiB', path: `/bytes/${mib}`, ...plain },
  { name: 'post-10k', title: 'POST 10 KiB', path: '/bytes/2', upload: 10 * kib, ...plain },
  { name: 'post-1m', title: 'POST 1 MiB', path: '/bytes/2', upload: mib, ...plain },
  { name: 'cached-100b', title: 'GET 100 B, from the cache', path: '/bytes/100', kind: 'cached', ...plain },
  { name: 'cached-100k', title: 'GET 100 KiB, from the cache', path: `/bytes/${100 * kib}`, kind: 'cached', ...plain },
  { name: 'https-100b', title: 'GET 100 B, HTTP/1.1 over TLS', path: '/bytes/100', ...https },
  { name: 'https-1m', title: 'GET 1 MiB, HTTP/1.1 over TLS', path: `/bytes/${mib}`, ...https },
  { name: 'h2-100b', title: 'GET 100 B, HTTP/2 over TLS', path: '/bytes/100', ...h2 },
  { name: 'h2-1m', title: 'GET 1 MiB, HTTP/2 over TLS', path: `/bytes/${mib}`, ...h2 },
  { name: 'h2c-100b', title: 'GET 100 B, HTTP/2 without TLS', path: '/bytes/100', ...h2, protocol: 'h2c' },
  {
    name: 'handshakes',
    title: 'GET 100 B, each with a TLS handshake',
    path: '/bytes/100',
    protocol: 'https',
    // At once; nginx and Caddy keep 128 upstream connections, so that no peer opens new ones.
    connections: 100,
    streams: 1,
    kind: 'handshakes'
  },
  {
    name: 'h2-idle',
    title: 'Streams of HTTP/2 that wait for an answer',
    path: '/silent',
    protocol: 'h2',
    connections: 100,
    streams: 100,
    kind: 'idle'
  }
]
