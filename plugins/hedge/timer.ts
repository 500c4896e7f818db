import type { Timer } from '../retry/index.js'

interface Wait {
  timer: NodeJS.Timeout
  soon: NodeJS.Immediate | undefined
}

/**
 * Rings behind the answers that have arrived: after a pause of the process, they only seem to be waited for, and there
 * would be a second attempt at each of them.
 */
export const patientTimer: Timer = {
  start(callback, delay) {
    const ring = () => {
      wait.soon = setImmediate(callback)
    }
    const wait: Wait = { timer: setTimeout(ring, delay).unref(), soon: undefined }
    return wait
  },
  stop(wait) {
    const { timer, soon } = wait as Wait
    clearTimeout(timer)
    clearImmediate(soon)
  }
}
