import { setImmediate as turn } from 'node:timers/promises'

/** What a process holds, once its garbage is gone. */
export interface Memory {
  heapUsed: number
  rss: number
  /** How many there are of each kind of active handle. */
  resources: Record<string, number>
}

/** Answered in the gateway's process, which runs with --expose-gc. */
export async function memory(): Promise<Memory> {
  // Finalizers run between collections and free more.
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc?.()
    await turn()
  }
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const { heapUsed, rss } = process.memoryUsage()
  return { heapUsed, rss, resources }
}
