/** Who has deadlines to look after. */
export interface Ticking {
  tick(): void
}

const interval = 1_000
const all = new Set<Ticking>()
let timer: NodeJS.Timeout | undefined

/** Calls `tick` each second until `stopTicking`; one timer serves all. */
export function startTicking(one: Ticking): void {
  all.add(one)
  timer ??= setInterval(tickAll, interval).unref()
}

export function stopTicking(one: Ticking): void {
  all.delete(one)
  if (all.size > 0 || timer === undefined) return
  clearInterval(timer)
  timer = undefined
}

function tickAll(): void {
  for (const one of all) one.tick()
}
