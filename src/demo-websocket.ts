import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

const continuation = 0x0
const text = 0x1
const binary = 0x2
const close = 0x8
const ping = 0x9
const pong = 0xa
const largest = 1024 * 1024

interface Frame {
  final: boolean
  opcode: number
  payload: Buffer
  /** How many bytes the frame took. */
  size: number
}

/** Thrown for a frame that ends the connection, with the code of RFC 6455 §7.4.1 to say so. */
class FrameError extends Error {
  readonly closeCode: number
  constructor(closeCode: number, message: string) {
    super(message)
    this.closeCode = closeCode
  }
}

/** Answers a WebSocket handshake and sends each message back, frame by frame. By hand: `ws` is no runtime dependency. */
export function echo(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const key = request.headers['sec-websocket-key'] ?? ''
  const websocket = request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
  const wellFormed = websocket && Buffer.from(key, 'base64').length === 16
  if (!wellFormed || request.headers['sec-websocket-version'] !== '13') {
    const status = wellFormed ? '426 Upgrade Required' : '400 Bad Request'
    const fields = 'Sec-WebSocket-Version: 13\r\nConnection: close\r\nContent-Length: 0'
    socket.end(`HTTP/1.1 ${status}\r\n${fields}\r\n\r\n`)
    return
  }

  // RFC 6455 §4.2.2: the key, this constant, SHA-1, base64
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`)

  const answer = answerer()
  let pending = Buffer.alloc(0)
  const receive = (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    try {
      for (let frame = decode(pending); frame !== undefined; frame = decode(pending)) {
        pending = pending.subarray(frame.size)
        const reply = answer(frame)
        if (reply !== undefined && !socket.write(reply)) {
          socket.pause()
          socket.once('drain', () => socket.resume())
        }
        if (frame.opcode === close) return finish()
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      const code = Buffer.alloc(2)
      code.writeUInt16BE(error.closeCode)
      socket.write(encode(true, close, code))
      finish()
    }
  }
  const finish = () => {
    socket.off('data', receive)
    socket.resume()
    socket.end()
  }
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', receive)
  if (head.length > 0) receive(head)
}

/** Returns a function that gives the answer to each frame of one connection; undefined for none. */
function answerer(): (frame: Frame) => Buffer | undefined {
  let decoder: TextDecoder | undefined
  let fragmented = false
  return ({ final, opcode, payload }) => {
    if (opcode === pong) return undefined
    if (opcode === ping) return encode(true, pong, payload)
    if (opcode === close) {
      if (payload.length === 1) throw new FrameError(1002, 'half a close code')
      return encode(true, close, payload.subarray(0, 2))
    }
    if ((opcode === continuation) !== fragmented) throw new FrameError(1002, 'fragments out of order')
    if (opcode === text) decoder = new TextDecoder('utf-8', { fatal: true })
    if (opcode === binary) decoder = undefined
    fragmented = !final
    // RFC 6455 §8.1: text that is not UTF-8 fails the connection.
    try {
      decoder?.decode(payload, { stream: !final })
    } catch {
      throw new FrameError(1007, 'text is not UTF-8')
    }
    return encode(final, opcode, payload)
  }
}

/** Reads the first frame; undefined while it is incomplete. */
function decode(bytes: Buffer): Frame | undefined {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return undefined
  const final = (first & 0x80) !== 0
  const opcode = first & 0x0f
  // RFC 6455 §5.1: a server MUST close the connection upon receiving a frame that is not masked.
  if ((first & 0x70) !== 0 || (second & 0x80) === 0) throw new FrameError(1002, 'reserved bits or no mask')
  if (![continuation, text, binary, close, ping, pong].includes(opcode)) throw new FrameError(1002, 'unknown opcode')

  const short = second & 0x7f
  if (opcode >= close && (!final || short > 125)) throw new FrameError(1002, 'long or fragmented control frame')
  const start = short === 127 ? 10 : short === 126 ? 4 : 2
  if (bytes.length < start) return undefined
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  if (length > largest) throw new FrameError(1009, 'frame too large')
  if (bytes.length < start + 4 + length) return undefined

  const mask = bytes.subarray(start, start + 4)
  const payload = Buffer.from(bytes.subarray(start + 4, start + 4 + length))
  for (let index = 0; index < length; index++) payload[index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0)
  return { final, opcode, payload, size: start + 4 + length }
}

function encode(final: boolean, opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  header[0] = (final ? 0x80 : 0) | opcode
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127
  if (header.length === 4) header.writeUInt16BE(length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}
