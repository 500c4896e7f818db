import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from '../child.js'
import type { Memory } from './memory.js'

/** What the gateway holds when nobody asks anything of it. */
export interface State extends Memory {
  /** Open files, sockets mostly. */
  files: number
}

const patience = 10_000

function files({ pid }: Child): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/**
 * Reads the gateway's state once it has come to rest: the clients have gone, the origin closes the connections that
 * are idle, and so the gateway should hold what it held when it was `fresh`. If it does not, it holds it for good.
 */
export async function stateAtRest(gateway: Child, origin: Child, fresh: number | undefined): Promise<State> {
  for (const start = Date.now(); fresh !== undefined && Date.now() - start < patience; await delay(20)) {
    await origin.ask('closeIdle')
    if (files(gateway) <= fresh) break
  }
  return { ...(await gateway.ask<Memory>('memory')), files: files(gateway) }
}
