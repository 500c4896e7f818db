import { type Entries, type Entry, same } from './list.js'

/** What leads from one list to the next. */
export interface Plan {
  readonly added: readonly Entry[]
  /** The same endpoints with another weight. */
  readonly reweighed: readonly Entry[]
  /** Another priority, other labels, another authority: an endpoint has these for life, so that it is a new one. */
  readonly replaced: readonly Entry[]
  readonly removed: readonly Entry[]
}

/**
 * Compares what a source says with what it said before, not with the upstream as it is: what was changed by hand since
 * then stays until the source itself changes it.
 */
export function plan(before: Entries, after: Entries): Plan {
  const added: Entry[] = []
  const reweighed: Entry[] = []
  const replaced: Entry[] = []
  for (const entry of after.values()) {
    const known = before.get(entry.url)
    if (known === undefined) added.push(entry)
    else if (!same(known, entry)) replaced.push(entry)
    else if (known.weight !== entry.weight) reweighed.push(entry)
  }
  const removed = [...before.values()].filter(({ url }) => !after.has(url))
  return { added, reweighed, replaced, removed }
}
