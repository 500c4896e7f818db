let text = ''
let until = 0

/** The value of Date, made once a second. */
export function now(): string {
  const time = Date.now()
  if (time >= until) {
    text = new Date(time).toUTCString()
    until = time - (time % 1_000) + 1_000
  }
  return text
}
