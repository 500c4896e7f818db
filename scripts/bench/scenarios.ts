/** One kind of request, sent over and over. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly path: string
  /** Adds `/1` … `/100000` to the path in turn. */
  readonly urls?: number
  /** Bytes to POST. */
  readonly upload?: number
}

const kib = 1024
const mib = 1024 * kib

export const scenarios: readonly Scenario[] = [
  { name: 'get-100b', title: 'GET 100 B, one URL', path: '/bytes/100' },
  { name: 'get-100b-urls', title: 'GET 100 B, 100,000 URLs', path: '/bytes/100', urls: 100_000 },
  { name: 'get-10k', title: 'GET 10 KiB', path: `/bytes/${10 * kib}` },
  { name: 'get-100k', title: 'GET 100 KiB', path: `/bytes/${100 * kib}` },
  { name: 'get-1m', title: 'GET 1 MiB', path: `/bytes/${mib}` },
  { name: 'post-10k', title: 'POST 10 KiB', path: '/bytes/2', upload: 10 * kib },
  { name: 'post-1m', title: 'POST 1 MiB', path: '/bytes/2', upload: mib }
]
