import { version } from '../../bench/programs.js'
import { haproxyOrigin } from './haproxy.js'
import { nginxOrigin } from './nginx.js'
import { nodeOrigin } from './node.js'
import type { Origin, SlowableOrigin } from './origin.js'

export type { Origin, SlowableOrigin } from './origin.js'

/** Three origins of different kinds, as far as the programs are installed; else our own in their place. */
export function mixedOrigins(journal: string, directory: string, duration: number): Promise<Origin[]> {
  return Promise.all([
    nodeOrigin(journal, duration),
    version('nginx') === undefined ? nodeOrigin(journal, duration) : nginxOrigin(journal, directory),
    slowableOrigin(journal, directory, duration)
  ])
}

/** Three that take the same time for an answer. */
export function slowableOrigins(journal: string, directory: string, duration: number): Promise<SlowableOrigin[]> {
  return Promise.all([
    nodeOrigin(journal, duration),
    nodeOrigin(journal, duration),
    slowableOrigin(journal, directory, duration)
  ])
}

function slowableOrigin(journal: string, directory: string, duration: number): Promise<SlowableOrigin> {
  return version('haproxy') === undefined ? nodeOrigin(journal, duration) : haproxyOrigin(journal, directory, duration)
}
