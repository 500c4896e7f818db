import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A process of our own that serves on a port of 127.0.0.1. */
export interface Child {
  readonly pid: number
  readonly port: number
  /** What the process answers to a question it announced (Node children only). */
  ask<Answer>(question: string): Promise<Answer>
  stop(): Promise<void>
}

/** What a Node child sends: its port once it listens, then one answer a question. */
export type Message = { listening: number } | { id: number; answer: unknown }

const running = new Set<() => void>()

// Programs that are no Node processes have no IPC channel to notice by that we have gone.
process.on('exit', () => {
  for (const kill of running) kill()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Returns what stops the child: `end`, and `kill` when that does not help or when we end ourselves. */
function watch(child: ChildProcess, end: () => void, kill: () => void): () => Promise<void> {
  running.add(kill)
  const gone = once(child, 'close').then(() => {
    running.delete(kill)
  })
  return async () => {
    const late = setTimeout(kill, 5000)
    end()
    await gone
    clearTimeout(late)
  }
}

/** Kills a program with all its processes: nginx's workers outlive a master that is killed alone. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

export interface ForkOptions {
  env?: Record<string, string>
  execArgv?: string[]
  args?: string[]
}

/** Starts a Node process that calls `announce`; resolves when it listens. */
export async function forkChild(file: URL, { env = {}, execArgv = [], args = [] }: ForkOptions = {}): Promise<Child> {
  const child = fork(file, args, {
    env: { ...process.env, NODE_ENV: 'production', ...env },
    execArgv,
    // Its access log goes to /dev/null: written, but to no disk whose speed would be measured.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  // Not SIGTERM: no run is owed a graceful end, and open keep-alive connections would delay it.
  const kill = () => void child.kill('SIGKILL')
  const stop = watch(child, kill, kill)
  const answers = new Map<number, (answer: unknown) => void>()
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${file.pathname} ended with ${code} before it listened`)))
    child.on('message', (message: Message) => {
      if ('listening' in message) return resolve(message.listening)
      answers.get(message.id)?.(message.answer)
      answers.delete(message.id)
    })
  })
  let id = 0
  return {
    pid: child.pid ?? 0,
    port,
    ask<Answer>(question: string) {
      return new Promise<Answer>((resolve, reject) => {
        const lost = () => reject(new Error(`${file.pathname} ended before it answered "${question}"`))
        child.once('exit', lost)
        answers.set(++id, answer => {
          child.off('exit', lost)
          resolve(answer as Answer)
        })
        child.send({ id, question })
      })
    },
    stop
  }
}

/** Starts a program that was told to listen on `port`; resolves when it accepts connections there. */
export async function spawnChild(
  program: string,
  args: string[],
  port: number,
  env: Record<string, string> = {}
): Promise<Child> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  // SIGTERM first, for masters that end and reap their workers.
  const stop = watch(
    child,
    () => void child.kill('SIGTERM'),
    () => killGroup(child)
  )
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  // Foreign programs cannot tell us that they listen, so we try until they do.
  for (const start = Date.now(); !(await accepts(port)); await delay(10)) {
    if (!ended && Date.now() - start < 10_000) continue
    await stop()
    throw new Error(`${program} does not listen on its port: ${stderr}`)
  }
  const ask = () => Promise.reject(new Error(`${program} answers no questions`))
  return { pid: child.pid ?? 0, port, ask, stop }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
