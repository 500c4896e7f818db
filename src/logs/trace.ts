/** W3C Trace Context §3.2: version, trace id, parent id and flags; a later version may have more behind them. */
const pattern = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:$|-)/

/** The trace that a request belongs to, when its `traceparent` is valid. */
export function traceOf(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined
  // Version 00 has nothing behind its flags.
  if (traceparent.length > 55 && traceparent.startsWith('00')) return undefined
  return pattern.exec(traceparent)?.[1]
}
