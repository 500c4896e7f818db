import { setTimeout as delay } from 'node:timers/promises'
import type { Origin, SlowableOrigin } from './origins/index.js'
import type { Stage } from './stage.js'

/** Something that happens to an origin, and is over when this resolves. */
export type Event = (origin: Origin, stage: Stage) => Promise<void>

export const kill: Event = async (origin, stage) => {
  await origin.kill()
  stage.tell(`${origin.name} was killed`)
  await delay(stage.chance.between(100, 2_000))
  await origin.start()
  stage.tell(`${origin.name} is back`)
}

export const pause: Event = async (origin, stage) => {
  origin.pause()
  stage.tell(`${origin.name} was stopped`)
  await delay(stage.chance.between(100, 3_000))
  origin.resume()
  stage.tell(`${origin.name} goes on`)
}

export const restart: Event = async (origin, stage) => {
  stage.tell(`${origin.name} ends`)
  await origin.end()
  await delay(stage.chance.between(0, 500))
  await origin.start()
  stage.tell(`${origin.name} is back`)
}

/** Of those that can be slow; others pass. */
export const slowDown: Event = async (origin, stage) => {
  if (!slowable(origin)) return
  await origin.slow()
  stage.tell(`${origin.name} is slow`)
  await delay(stage.chance.between(500, 3_000))
  await origin.fast()
  stage.tell(`${origin.name} is fast`)
}

function slowable(origin: Origin): origin is SlowableOrigin {
  return 'slow' in origin
}
