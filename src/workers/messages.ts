import type { Place } from '../sockets.js'

/** What primary and workers tell each other over the channel that node:cluster keeps open between them. */
export type FromWorker =
  /** It serves, and may have said so in its log; `sockets` are those that a process after this one is given. */
  | { headgate: 'ready'; address: string; told: boolean; sockets: [name: string, place: Place][] }
  /** Its event loop turns; with the bytes it takes. */
  | { headgate: 'alive'; memory: number }
  /** All that was sent to it before has arrived. */
  | { headgate: 'arrived' }
  /** For the other workers. */
  | { headgate: 'broadcast'; topic: string; message: unknown }
  /** For the other workers, each of which is to answer. */
  | { headgate: 'gather'; id: number; topic: string; question: unknown; timeout: number }
  /** To a question that the primary has handed on. */
  | { headgate: 'reply'; id: number; value: unknown }
  /** A question to a service in the primary. */
  | { headgate: 'ask'; id: number; service: string; method: string; args: unknown[] }

export type ToWorker =
  /** Serve who is there, and end. */
  | { headgate: 'stop' }
  /** Answer `arrived`. */
  | { headgate: 'arrive' }
  /** It is the leader from now on, or no longer. */
  | { headgate: 'lead'; leader: boolean }
  | { headgate: 'broadcast'; topic: string; message: unknown }
  /** To be answered by `reply`. */
  | { headgate: 'question'; id: number; topic: string; question: unknown }
  | { headgate: 'gathered'; id: number; values: unknown[] }
  | { headgate: 'answer'; id: number; value?: unknown; error?: string }

/** Whether it is one of ours: node:cluster and plugins use the same channel. */
export function isMessage(message: unknown): message is { headgate: string } {
  return typeof (message as { headgate?: unknown } | null)?.headgate === 'string'
}
