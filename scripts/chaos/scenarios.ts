import { setTimeout as delay } from 'node:timers/promises'
import { type Event, kill, pause, restart, slowDown } from './events.js'
import type { Defence } from './gateway.js'
import { mixedOrigins, type Origin, slowableOrigins } from './origins/index.js'
import { type Settings, Stage } from './stage.js'
import type { Window } from './window.js'

export interface Outcome {
  total: Window
  /** POSTs that were carried out more than once. */
  twice: number
  late?: Late
}

/** What is left of the harm once the gateway must have noticed it. */
export interface Late {
  /** Milliseconds, and what they were when all was well. */
  p99: number
  healthy: number
  /** The part of the requests that still asked the endpoint that is harmed. */
  share: number
}

export interface Scenario {
  readonly name: string
  run(settings: Settings): Promise<Outcome>
}

/** Seconds in which the code becomes warm. */
const warmup = 2
/** Seconds within which an endpoint that is slow or silent must have been noticed. */
const bound = 5
/** Seconds at the end in which nothing happens, but what was held up can still go wrong. */
const quiet = 2

interface Disturbance {
  events: readonly Event[]
  defence: Defence
  /** Milliseconds from the end of one event until the next one. */
  gap: readonly [least: number, most: number]
}

const everything: Defence = { pick: 'roundRobin', health: true, outlier: true, breaker: true, timeout: 1_000 }
const nothing: Defence = { pick: 'roundRobin', health: false, outlier: false, breaker: false, timeout: 0 }

/** Longer than a breaker needs to see that an endpoint is back: it would refuse the only one left for the one before. */
const patient = [1_000, 2_000] as const
const impatient = [50, 500] as const

/** Events at random moments, one at a time, to the origins in a random order. */
async function disturbed(settings: Settings, { events, defence, gap }: Disturbance): Promise<Outcome> {
  const stage = await Stage.open(settings, defence, mixedOrigins)
  const { chance, load, origins } = stage
  await stage.until(warmup)
  for (const origin of chance.deal(origins)) {
    await delay(chance.between(...gap))
    if (stage.elapsed > settings.seconds - quiet) break
    await chance.pick(events)(origin, stage)
  }
  await stage.until(settings.seconds)
  return { twice: await stage.close(), total: load.total }
}

/** One origin is harmed for good. */
async function harmed<Kind extends Origin>(
  stage: Stage<Kind>,
  seconds: number,
  harm: (origin: Kind) => Promise<void> | void,
  repair: (origin: Kind) => Promise<void> | void
): Promise<Outcome> {
  const { load } = stage
  const origin = stage.chance.pick(stage.origins)
  await stage.until(warmup)
  const before = load.open()
  await stage.until(warmup + (seconds - warmup - bound) / 2)
  load.open()
  await harm(origin)
  stage.tell(`${origin.name} is harmed`)
  await delay(bound * 1_000)
  const after = load.open()
  await stage.until(seconds)
  load.open()
  await repair(origin)
  const twice = await stage.close()
  const late = { p99: after.percentile(99), healthy: before.percentile(99), share: after.share(origin.url) }
  return { total: load.total, twice, late }
}

/** One origin is stopped, and neither refuses nor answers. */
async function hang(settings: Settings): Promise<Outcome> {
  const stage = await Stage.open(settings, everything, mixedOrigins)
  return harmed(
    stage,
    settings.seconds,
    origin => origin.pause(),
    origin => origin.resume()
  )
}

/** One origin takes 100 times as long. Nothing but the balancer, or the outlier plugin, can notice it. */
export async function slow(settings: Settings, defence: Pick<Defence, 'pick' | 'outlier'>): Promise<Outcome> {
  const stage = await Stage.open(settings, { ...nothing, ...defence }, slowableOrigins)
  return harmed(
    stage,
    settings.seconds,
    origin => origin.slow(),
    origin => origin.fast()
  )
}

export const scenarios: readonly Scenario[] = [
  disturbance('kill-retry', { events: [kill], defence: nothing, gap: impatient }),
  disturbance('kill-ring', { events: [kill], defence: { ...everything, timeout: 0 }, gap: impatient }),
  disturbance('pause', { events: [pause], defence: everything, gap: patient }),
  { name: 'hang', run: hang },
  disturbance('restart', { events: [restart], defence: everything, gap: patient }),
  { name: 'slow-outlier', run: settings => slow(settings, { pick: 'roundRobin', outlier: true }) },
  { name: 'slow-ewma', run: settings => slow(settings, { pick: 'peakEwma', outlier: false }) },
  disturbance('all', { events: [kill, pause, restart, slowDown], defence: everything, gap: patient })
]

function disturbance(name: string, what: Disturbance): Scenario {
  return { name, run: settings => disturbed(settings, what) }
}
