import type { ClientRules } from './clients.js'
import { Host, type HostOptions } from './host.js'
import { load, type Material } from './material.js'
import { Names } from './names.js'
import type { Entry } from './options.js'

export interface DirectoryOptions extends HostOptions {
  expired: 'refuse' | 'warn'
  /** What is done with names that nobody has. */
  unknown: 'default' | 'reject'
  now(): Date
}

/** What a look at the files has come to. */
export interface News {
  /** Hosts with something new. */
  changed: Host[]
  /** Why an entry stays as it was. */
  failed: Error[]
}

interface Table {
  names: Names<Host>
  fallback: Host
}

/** Which host a name belongs to. What is loaded anew takes the place of all that was there, or of nothing. */
export class Directory {
  readonly #entries: readonly Entry[]
  readonly #options: DirectoryOptions
  /** Another one whenever something was replaced. */
  generation = 0
  #hosts: Host[] = []
  #table: Table | undefined

  constructor(entries: readonly Entry[], options: DirectoryOptions) {
    this.#entries = entries
    this.#options = options
  }

  get hosts(): readonly Host[] {
    return this.#hosts
  }

  /**
   * Who answers for a name, or for a client that names none.
   * @returns undefined: nobody does
   */
  find(name: string | undefined): Host | undefined {
    const { names, fallback } = this.#table as Table
    if (name === undefined) return fallback
    return names.find(name) ?? (this.#options.unknown === 'reject' ? undefined : fallback)
  }

  rulesFor(name: string): ClientRules | undefined {
    return this.find(name)?.rules
  }

  /** What has taken the place of a host. */
  latest({ index }: Host): Host {
    return this.#hosts[index] as Host
  }

  /** @throws Error naming the file that is wrong, and why */
  async open(): Promise<void> {
    const hosts: Host[] = []
    for (const [index, entry] of this.#entries.entries()) hosts.push(this.#host(await this.#load(entry, index), index))
    this.#replace(hosts)
  }

  /** Reads all files anew; an entry with a file that is wrong stays as it was. */
  async reload(): Promise<News> {
    const failed: Error[] = []
    const changed: Host[] = []
    const hosts: Host[] = []
    for (const [index, entry] of this.#entries.entries()) {
      const before = this.#hosts[index] as Host
      let host = before
      try {
        const material = await this.#load(entry, index)
        if (material.digest !== before.material.digest) host = this.#host(material, index)
      } catch (error) {
        failed.push(error as Error)
      }
      hosts.push(host)
      if (host !== before) changed.push(host)
    }
    if (changed.length === 0) return { changed, failed }
    try {
      this.#replace(hosts)
    } catch (error) {
      return { changed: [], failed: [...failed, error as Error] }
    }
    return { changed, failed }
  }

  #load(entry: Entry, index: number): Promise<Material> {
    return load(entry, `certificates[${index}]`, this.#options.expired, this.#options.now())
  }

  #host(material: Material, index: number): Host {
    return new Host(material, index, this.#options)
  }

  #replace(hosts: Host[]): void {
    const names = new Names<Host>()
    for (const host of hosts) for (const name of host.material.hosts) names.add(name, host)
    const chosen = this.#entries.findIndex(entry => entry.default === true)
    this.#hosts = hosts
    this.generation++
    // There may have been another key while files were read.
    for (const host of hosts) host.renewTickets(this.#options.ticketKeys)
    this.#table = { names, fallback: hosts[Math.max(0, chosen)] as Host }
  }
}
