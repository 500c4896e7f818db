import { type FloodOptions, floodDefaults } from './floods.js'

/** Sizes in octets, times in milliseconds. */
export interface SessionOptions {
  /** Streams the peer may open at a time (server). */
  maxConcurrentStreams: number
  /** What a peer may send on a stream before somebody reads it: bounds the memory of each, and its rate by distance. */
  streamWindow: number
  /** What it may send on all streams within a round trip; at least 65,535. Given back on receipt: no reader stalls others. */
  connectionWindow: number
  /**
   * Beyond so many octets received and not consumed on all streams, the connection's window is given back no more: then
   * slow readers do stall others. Infinity: the bound is streams × streamWindow.
   */
  maxBuffered: number
  /** Of a header list as RFC 9113 §6.5.2 counts it. A larger request may be answered with 431. */
  maxHeaderList: number
  /** CONTINUATION frames of a header block. */
  maxContinuations: number
  maxFrameSize: number
  /** RFC 8441: extended CONNECT is taken (server). */
  connectProtocol: boolean
  floods: FloodOptions
  /** For the peer's preface, for its answer to our SETTINGS, and for its answer to a PING. */
  settingsTimeout: number
  /** For the rest of a header block that has begun. */
  headerTimeout: number
  /** A peer that takes nothing of what is to be sent, on a stream or on the connection; 0 for never. */
  stallTimeout: number
  /** Without a stream: it leaves then (server); 0 for never. */
  idleTimeout: number
  /** Milliseconds of a monotonic clock. */
  now: () => number
}

/**
 * 256 KiB a stream are 2.6 MB/s over 100 ms, and far more near by; 128 of them could hold 32 MiB, so a connection from
 * outside holds 8 MiB at most.
 */
export const serverDefaults: SessionOptions = {
  maxConcurrentStreams: 128,
  streamWindow: 262_144,
  connectionWindow: 1_048_576,
  maxBuffered: 8_388_608,
  maxHeaderList: 32_768,
  maxContinuations: 16,
  maxFrameSize: 16_384,
  connectProtocol: false,
  floods: floodDefaults,
  settingsTimeout: 10_000,
  headerTimeout: 10_000,
  stallTimeout: 60_000,
  idleTimeout: 0,
  now: () => performance.now()
}

/**
 * An upstream is near, and clients share a connection to it: those who read slowly must not stall others, so what is
 * buffered is bounded by the streams alone, 128 KiB each.
 */
export const clientDefaults: SessionOptions = {
  ...serverDefaults,
  streamWindow: 131_072,
  maxBuffered: Number.POSITIVE_INFINITY
}
