import { ended, resetByUs, skipped } from './closed-streams.js'
import { Http2Error } from './error.js'
import { IGNORED, RESETS } from './floods.js'
import { ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED } from './frames.js'
import type { Session } from './session.js'
import type { Stream } from './stream.js'

/** Interim answers before the final one. */
const mostInterims = 32

/** A header block on a stream that is open already: the head of an answer, an interim one, or trailers. */
export function nextBlock(
  session: Session,
  stream: Stream,
  fields: string[] | undefined,
  end: boolean,
  selfDependent: boolean
): void {
  if (stream.remoteEnded) session.failStream(stream, STREAM_CLOSED, 'HEADERS behind the end')
  else if (selfDependent) session.failStream(stream, PROTOCOL_ERROR, 'a stream that depends on itself')
  else if (stream.headRead) trailers(session, stream, fields, end)
  else if (fields === undefined) session.failStream(stream, ENHANCE_YOUR_CALM, 'the head is too large')
  else if (isInterim(fields)) {
    if (end) session.failStream(stream, PROTOCOL_ERROR, 'an interim answer ends the stream')
    else if (++stream.interims > mostInterims) session.failStream(stream, ENHANCE_YOUR_CALM, 'too many interim answers')
    else stream.handler.onHeaders(fields, false)
  } else {
    stream.headRead = true
    stream.remoteEnded = end
    stream.handler.onHeaders(fields, end)
    if (end) session.checkEnd(stream)
  }
}

function trailers(session: Session, stream: Stream, fields: string[] | undefined, end: boolean): void {
  // RFC 9113 §8.1.
  if (!end) session.failStream(stream, PROTOCOL_ERROR, 'trailers that do not end the stream')
  else if (fields === undefined) session.failStream(stream, ENHANCE_YOUR_CALM, 'the trailers are too large')
  else {
    stream.remoteEnded = true
    stream.handler.onTrailers(fields)
    session.checkEnd(stream)
  }
}

function isInterim(fields: string[]): boolean {
  if (fields[0] !== ':status') return false
  const status = fields[1] as string
  return status.length === 3 && status.charCodeAt(0) === 0x31
}

/** HEADERS or DATA on a stream that is closed (RFC 9113 §5.1). */
export function late(session: Session, id: number, headers: boolean): void {
  const how = session.former.how(id)
  if (how === resetByUs) {
    // The peer may not have known; content is counted as such, heads are not.
    if (headers) session.spend(IGNORED, 'frames of no use')
    return
  }
  if (how === skipped && headers) throw new Http2Error(PROTOCOL_ERROR, `stream ${id} was passed over`)
  if (how === ended || how === skipped) throw new Http2Error(STREAM_CLOSED, `stream ${id} is closed`)
  session.sender.reset(id, STREAM_CLOSED)
  session.spend(RESETS, 'failed streams')
}
