import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { forkChild } from '../child.js'
import { Chance } from './chance.js'
import type { Defence, GatewayArguments } from './gateway.js'
import { begin, repeated } from './journal.js'
import { Load } from './load.js'
import type { Origin } from './origins/index.js'

export interface Settings {
  /** How long a scenario lasts. */
  seconds: number
  /** Requests a second. */
  rate: number
  seed: number
  /** Where files may be written; its name is made of plain letters, as it stands in configurations. */
  directory: string
  /** Told of each event. */
  tell: (event: string) => void
}

/** How long an origin takes for an answer, in milliseconds. */
export const duration = 5

/** Origins, the gateway before them and the load upon it. */
export class Stage<Kind extends Origin = Origin> {
  readonly origins: readonly Kind[]
  readonly load: Load
  readonly chance: Chance
  readonly #settings: Settings
  readonly #start = performance.now()
  readonly #close: () => Promise<number>

  private constructor(origins: Kind[], load: Load, settings: Settings, close: () => Promise<number>) {
    this.origins = origins
    this.load = load
    this.chance = new Chance(settings.seed)
    this.#settings = settings
    this.#close = close
  }

  static async open<Kind extends Origin>(
    settings: Settings,
    defence: Defence,
    make: (journal: string, directory: string, duration: number) => Promise<Kind[]>
  ): Promise<Stage<Kind>> {
    const { directory, rate } = settings
    const journal = join(directory, 'posts')
    begin(journal)
    const origins = await make(journal, directory, duration)
    await Promise.all(origins.map(origin => origin.start()))
    const log = join(directory, 'gateway.log')
    rmSync(log, { force: true })
    const args: GatewayArguments = { ...defence, endpoints: origins.map(({ url }) => url), log }
    const gateway = await forkChild(new URL('gateway.js', import.meta.url), { args: [JSON.stringify(args)] })
    const load = new Load(gateway.port, rate)
    return new Stage(origins, load, settings, async () => {
      await load.stop()
      await gateway.stop()
      if (load.total.failed > 0) for (const line of errorsIn(log)) settings.tell(line)
      await Promise.all(origins.map(origin => origin.end()))
      return repeated(journal)
    })
  }

  get elapsed(): number {
    return (performance.now() - this.#start) / 1_000
  }

  tell(event: string): void {
    this.#settings.tell(`${this.elapsed.toFixed(1).padStart(5)} s: ${event}`)
  }

  /** Until so many seconds have passed since the beginning. */
  async until(seconds: number): Promise<void> {
    await delay(Math.max(0, (seconds - this.elapsed) * 1_000))
  }

  /** Ends the load, then all others. @returns how many POSTs were carried out more than once */
  close(): Promise<number> {
    return this.#close()
  }
}

const mostTold = 10

/** What the gateway had to say of the first requests that it failed. */
function errorsIn(log: string): string[] {
  const lines = readFileSync(log, 'utf8').split('\n')
  return lines.filter(line => line.includes('"level":50')).slice(0, mostTold)
}
