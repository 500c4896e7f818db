import cluster, { type Worker } from 'node:cluster'
import type { Logger } from 'pino'
import { OptionsError } from '../errors.js'
import { removeStale } from '../socket-file.js'
import { type Handle, Listening } from '../sockets.js'
import type { Service, Started } from '../supervisor.js'
import { Backoff } from './backoff.js'
import { WorkerFailed } from './failed.js'
import { Handover } from './handover.js'
import { forget } from './leases.js'
import { type FromWorker, isMessage } from './messages.js'
import { answered, Switchboard, send } from './switchboard.js'

/** What a worker has told when it came to serve. */
type Ready = FromWorker & { headgate: 'ready' }

export interface PrimaryOptions {
  workers: number
  /** Bytes of memory above which a worker is replaced; 0: no limit. */
  memory: number
  /** Milliseconds after which a worker whose event loop does not turn is killed; 0: never. */
  stuck: number
  log: Logger
}

/** Milliseconds until a new worker must serve. */
const startTimeout = 60_000
const second = 1_000

interface Member {
  readonly worker: Worker
  readonly started: number
  /** Once it serves. */
  ready: Ready | undefined
  alive: number
  /** It was told to stop, or is being replaced. */
  leaving: boolean
}

/** Keeps so many workers serving: starts, replaces, renews and stops them. It loads no app itself. */
export class Primary implements Service {
  readonly #options: PrimaryOptions
  readonly #members = new Set<Member>()
  readonly #switchboard: Switchboard
  readonly #handover = new Handover()
  readonly #backoff = new Backoff()
  readonly #timers = new Set<NodeJS.Timeout>()
  #leader: Member | undefined
  readonly #listening = new Listening()
  #watch: NodeJS.Timeout | undefined
  #looked = 0
  #stopping = false
  /** Socket files of workers that have gone. */
  readonly #removing = new Set<Promise<void>>()

  constructor(options: PrimaryOptions) {
    this.#options = options
    this.#switchboard = new Switchboard(worker =>
      [...this.#members].flatMap(member =>
        member.worker === worker || member.ready === undefined ? [] : member.worker
      )
    )
  }

  /**
   * Resolves when all workers serve.
   * @throws WorkerFailed when one does not come up
   */
  async start(): Promise<Started> {
    const { workers } = this.#options
    // The others wait until the first one has shown that the app file is right.
    const { ready } = await this.#spawn()
    await Promise.all(Array.from({ length: workers - 1 }, () => this.#spawn()))
    this.#looked = performance.now()
    this.#watch = setInterval(() => this.#look(), second)
    return ready as Ready
  }

  get log(): Logger {
    return this.#options.log
  }

  get sockets(): ReadonlyMap<string, number> {
    return new Map(this.#handles.map(([name, { fd }]) => [name, fd]))
  }

  /** Puts a new worker in the place of each. @throws WorkerFailed when a new one does not come up: those left stay */
  async reload(): Promise<void> {
    for (const old of [...this.#members].filter(({ leaving }) => !leaving)) {
      const { worker } = await this.#succeed(old)
      this.log.info({ worker: worker.process.pid, instead: old.worker.process.pid }, 'a new worker serves')
    }
  }

  async release(): Promise<void> {
    for (const [, handle] of this.#handles) handle.close()
    // What was accepted before is on its way to the workers, one connection at a time.
    for (let round = 0; round < 3; round++) {
      await Promise.all([...this.#members].map(({ worker }) => answered(worker, { headgate: 'arrive' }, 'arrived')))
    }
  }

  /** Resolves when all have served who was there. */
  async close(): Promise<void> {
    this.#stopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    const members = [...this.#members]
    const ended = members.map(({ worker }) => new Promise<void>(resolve => worker.once('exit', () => resolve())))
    for (const member of members) this.#retire(member)
    await Promise.all(ended)
    await Promise.all(this.#removing)
    clearInterval(this.#watch)
    this.#listening.close()
  }

  kill(): void {
    for (const { worker } of this.#members) worker.process.kill('SIGKILL')
  }

  get #handles(): [string, Handle][] {
    const sockets = [...this.#members].flatMap(({ ready }) => ready?.sockets ?? [])
    return [...new Map(sockets)].flatMap(([name, place]) => {
      const handle = this.#listening.find(place, name)
      return handle === undefined ? [] : [[name, handle] as [string, Handle]]
    })
  }

  #spawn(): Promise<Member> {
    const now = performance.now()
    const worker = cluster.fork({ HEADGATE_WORKER: '1' })
    this.#handover.watch(worker)
    const member: Member = { worker, started: now, ready: undefined, alive: now, leaving: false }
    this.#members.add(member)
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new OptionsError(`a worker did not serve within ${startTimeout / 1_000} s`))
        worker.process.kill('SIGKILL')
      }, startTimeout)
      worker.on('message', (message: unknown) => {
        if (!isMessage(message)) return
        const told = message as FromWorker
        if (told.headgate === 'ready') {
          clearTimeout(late)
          member.ready = told
          member.alive = performance.now()
          if (this.#leader === undefined) this.#elect()
          resolve(member)
        } else if (told.headgate === 'alive') this.#lives(member, told.memory)
        else this.#switchboard.hear(worker, told)
      })
      worker.once('exit', (code, signal) => {
        clearTimeout(late)
        this.#members.delete(member)
        this.#removeFiles(member)
        forget(worker.id)
        this.#switchboard.left(worker)
        for (const { connection, port } of this.#handover.left(worker)) this.#listening.give(port, connection)
        if (this.#leader === member) this.#elect()
        const how = signal ?? `code ${code}`
        if (member.ready === undefined) reject(new WorkerFailed(code, signal))
        else if (!member.leaving) this.#replace(member, how)
      })
    })
  }

  /** Of those that nobody has any longer; a process after this one may have them. */
  #removeFiles({ ready }: Member): void {
    const kept = new Set([...this.#members].flatMap(({ ready }) => ready?.sockets ?? []).map(([, place]) => place))
    for (const [, place] of ready?.sockets ?? []) {
      if (!place?.startsWith('/') || kept.has(place)) continue
      const removing = removeStale(place).finally(() => this.#removing.delete(removing))
      this.#removing.add(removing)
    }
  }

  #lives(member: Member, memory: number): void {
    const { memory: most, log } = this.#options
    member.alive = performance.now()
    if (most === 0 || memory <= most || member.leaving) return
    log.warn({ worker: member.worker.process.pid, memory }, 'a worker takes too much memory: another takes its place')
    this.#succeed(member).catch(error => log.error((error as Error).message))
  }

  /** A new worker serves before the old one ends. */
  async #succeed(old: Member): Promise<Member> {
    old.leaving = true
    try {
      const member = await this.#spawn()
      this.#retire(old)
      return member
    } catch (error) {
      old.leaving = false
      if (!this.#members.has(old)) this.#replace(old, 'its successor did')
      throw error
    }
  }

  /** A worker has died: another one takes its place, after a while when that happens again and again. */
  #replace({ worker, started }: Pick<Member, 'worker' | 'started'>, how: string): void {
    if (this.#stopping) return
    const { log } = this.#options
    const delay = this.#backoff.delay(performance.now() - started)
    log.error({ worker: worker.process.pid, delay }, `a worker ended with ${how}: another takes its place`)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const now = performance.now()
      this.#spawn().catch(error => this.#replace({ worker, started: now }, (error as Error).message))
    }, delay)
    this.#timers.add(timer)
  }

  #retire(member: Member): void {
    member.leaving = true
    if (this.#leader === member) this.#elect()
    // One that is still starting serves nobody, and might not hear it.
    if (member.ready === undefined) member.worker.process.kill()
    else send(member.worker, { headgate: 'stop' })
  }

  /** The one that has served longest leads. */
  #elect(): void {
    const before = this.#leader
    this.#leader = [...this.#members].find(({ ready, leaving }) => ready !== undefined && !leaving)
    if (before === this.#leader) return
    if (before !== undefined) send(before.worker, { headgate: 'lead', leader: false })
    if (this.#leader !== undefined) send(this.#leader.worker, { headgate: 'lead', leader: true })
  }

  #look(): void {
    const { stuck, log } = this.#options
    const now = performance.now()
    const late = now - this.#looked > 2 * second
    this.#looked = now
    if (stuck === 0) return
    for (const member of this.#members) {
      const { worker, ready, alive } = member
      // It is this process that stood still: what the workers told waits to be read.
      if (late) member.alive = now
      if (late || ready === undefined || now - alive < stuck) continue
      log.error({ worker: worker.process.pid }, `a worker has stood still for ${stuck / 1_000} s and is killed`)
      worker.process.kill('SIGKILL')
    }
  }
}
