/** A header block that cannot be decoded: COMPRESSION_ERROR on the connection (RFC 9113 §4.3). */
export class HpackError extends Error {
  override name = 'HpackError'
}
