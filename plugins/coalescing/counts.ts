/** What became of requests, since the gateway began. */
export interface Counts {
  /** Sent to the upstream, for others to join. */
  led: number
  /** Answered with another's answer. */
  joined: number
  /** Had waited for an answer that could not be theirs. */
  released: number
  /** Had waited for too long. */
  waited: number
}
