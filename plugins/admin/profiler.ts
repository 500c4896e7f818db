import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { getHeapSnapshot, writeHeapSnapshot } from 'node:v8'
import { Refusal } from './problem.js'

/** The most seconds of a CPU profile. */
export const longestProfile = 60

/** Profiles this process, once at a time. */
export class Profiler {
  #busy = false
  #end: (() => void) | undefined

  /** @returns a .cpuprofile; one that is cut short by the end of the gateway holds what there was */
  cpu(seconds: number): Promise<string> {
    return this.#alone(async () => {
      const session = new Session()
      session.connect()
      try {
        await session.post('Profiler.enable')
        await session.post('Profiler.start')
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, seconds * 1_000)
          this.#end = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        const { profile } = await session.post('Profiler.stop')
        return JSON.stringify(profile)
      } finally {
        this.#end = undefined
        session.disconnect()
      }
    })
  }

  /** A .heapsnapshot as it is read; the process stands still while it is taken. */
  async heap(): Promise<Readable> {
    return this.#alone(async () => getHeapSnapshot())
  }

  /** The same in a file of a new directory that nobody else can read; for another process to stream and delete. */
  async heapFile(): Promise<string> {
    return this.#alone(async () => {
      const directory = await mkdtemp(join(tmpdir(), 'headgate-'))
      return writeHeapSnapshot(join(directory, 'worker.heapsnapshot'))
    })
  }

  close(): void {
    this.#end?.()
  }

  async #alone<T>(take: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Refusal(409, 'A profile of this worker is being taken already.')
    this.#busy = true
    try {
      return await take()
    } finally {
      this.#busy = false
    }
  }
}

/** Reads the file that a worker has left, which is gone afterwards. */
export function readAndRemove(file: string): Readable {
  const stream = createReadStream(file)
  stream.once('close', () => void rm(join(file, '..'), { recursive: true, force: true }))
  return stream
}
