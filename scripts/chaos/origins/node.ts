import { forkChild } from '../../child.js'
import type { OriginOptions } from '../origin.js'
import { lastingPort } from '../port.js'
import { ChildOrigin, type SlowableOrigin } from './origin.js'

const file = new URL('../origin.js', import.meta.url)

class NodeOrigin extends ChildOrigin implements SlowableOrigin {
  slow(): Promise<void> {
    return this.ask('slow')
  }

  fast(): Promise<void> {
    return this.ask('fast')
  }
}

/** One of our own; `duration` is what it takes for an answer. */
export async function nodeOrigin(journal: string, duration: number): Promise<SlowableOrigin> {
  const options: OriginOptions = { journal, duration, port: await lastingPort() }
  const spawn = () => forkChild(file, { args: [JSON.stringify(options)] })
  return new NodeOrigin('node', options.port, spawn, 'SIGTERM', false)
}
