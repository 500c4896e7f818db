import { Pool } from 'undici'

/** Connections that requests are sent over. */
export const connections = 50

/** Bodies below and above the size up to which the gateway keeps an answer in one buffer, and an upload. */
const kinds = [
  { method: 'GET', path: '/bytes/100' },
  { method: 'GET', path: '/bytes/100/' },
  { method: 'GET', path: '/bytes/10240' },
  { method: 'GET', path: '/bytes/204800' },
  { method: 'POST', path: '/bytes/2', body: Buffer.alloc(10_240, 'x') }
] as const

/** Sends `count` requests, and returns how many were not answered with 200. */
export async function sendRequests(url: string, count: number): Promise<number> {
  const pool = new Pool(url, { connections })
  let sent = 0
  let failed = 0
  async function client(): Promise<void> {
    while (sent < count) {
      const id = sent++
      const kind = kinds[id % 20 < 16 ? id % 2 : 2 + (id % 3)] ?? kinds[0]
      // Half of the small ones ask for a URL nobody asked for before.
      const path = kind.path.endsWith('/') ? `${kind.path}${id}` : kind.path
      try {
        const { statusCode, body } = await pool.request({ ...kind, path })
        await body.dump({ limit: Number.POSITIVE_INFINITY })
        if (statusCode !== 200) failed++
      } catch {
        failed++
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  await pool.destroy()
  return failed
}
