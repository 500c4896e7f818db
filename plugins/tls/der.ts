/** As much of DER (X.690) as a certificate needs. */

export function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

export const sequence = (...parts: Buffer[]) => tagged(0x30, ...parts)
export const set = (...parts: Buffer[]) => tagged(0x31, ...parts)
export const octets = (content: Buffer) => tagged(0x04, content)
export const bits = (content: Buffer) => tagged(0x03, Buffer.from([0]), content)
export const text = (value: string) => tagged(0x0c, Buffer.from(value))
export const yes = tagged(0x01, Buffer.from([255]))

/** Not negative; a first bit that is set would be a sign. */
export function integer(bytes: Buffer): Buffer {
  return (bytes[0] as number) < 128 ? tagged(0x02, bytes) : tagged(0x02, Buffer.from([0]), bytes)
}

/** @param name such as `2.5.29.17` */
export function identifier(name: string): Buffer {
  const [first = 0, second = 0, ...rest] = name.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const number of rest) {
    const groups = [number & 127]
    for (let left = number >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128)
    bytes.push(...groups)
  }
  return tagged(0x06, Buffer.from(bytes))
}

/** RFC 5280 §4.1.2.5: UTCTime, for years before 2050. */
export function time(date: Date): Buffer {
  return tagged(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
}
