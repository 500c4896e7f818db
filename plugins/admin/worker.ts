import { performance } from 'node:perf_hooks'
import type { Workers } from '../../src/index.js'
import type { Connections } from './connections.js'

/** One process of those that serve. */
export interface WorkerState {
  worker: number
  pid: number
  leader: boolean
  closing: boolean
  /** Seconds. */
  uptime: number
  /** Bytes of memory: of the process, and of the heap in use. */
  memory: number
  heap: number
  /** The part of the time in which the event loop was busy since it was last asked, from 0 to 1. */
  busy: number
  connections: number
}

/** Tells of this process. */
export class WorkerWatch {
  #last = performance.eventLoopUtilization()

  state(workers: Workers, connections: Connections, closing: boolean): WorkerState {
    const now = performance.eventLoopUtilization()
    const { utilization, idle, active } = performance.eventLoopUtilization(now, this.#last)
    // Asked twice within a moment, there is nothing to tell in between.
    if (idle + active > 500) this.#last = now
    const { rss, heapUsed } = process.memoryUsage()
    return {
      worker: workers.id,
      pid: process.pid,
      leader: workers.leader,
      closing,
      uptime: Math.round(process.uptime()),
      memory: rss,
      heap: heapUsed,
      busy: Number(utilization.toFixed(3)),
      connections: connections.open
    }
  }
}
