import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Protocol } from './scenarios.js'

const patience = 5000

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
const settingsType = 4

/** Resolves with what `look` finds; false when the connection fails, ends or stays silent before. */
function ask(socket: Socket, look: (found: (served: boolean) => void) => void): Promise<boolean> {
  return new Promise(resolve => {
    const found = (served: boolean) => {
      resolve(served)
      socket.destroy()
    }
    socket.setTimeout(patience, () => found(false))
    // Also when it is over.
    socket.on('error', () => found(false))
    socket.once('close', () => found(false))
    look(found)
  })
}

function negotiates(port: number, wanted: 'h2' | 'http/1.1'): Promise<boolean> {
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    rejectUnauthorized: false,
    ALPNProtocols: [wanted]
  })
  return ask(socket, found => socket.once('secureConnect', () => found(socket.alpnProtocol === wanted)))
}

/** RFC 9113 §3.4: a server's preface is a SETTINGS frame; one that does not know HTTP/2 answers in HTTP/1.1. */
function answersPreface(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  let head = Buffer.alloc(0)
  return ask(socket, found => {
    socket.once('connect', () => socket.write(Buffer.concat([preface, emptySettings])))
    socket.on('data', chunk => {
      head = Buffer.concat([head, chunk])
      if (head.length >= emptySettings.length) found(head[3] === settingsType)
    })
    socket.once('end', () => found(false))
  })
}

/** Whether the proxy on that port of 127.0.0.1 speaks the protocol: by ALPN, or without TLS by its preface. */
export function serves(port: number, protocol: Protocol): Promise<boolean> {
  if (protocol === 'http') return Promise.resolve(true)
  if (protocol === 'h2c') return answersPreface(port)
  return negotiates(port, protocol === 'h2' ? 'h2' : 'http/1.1')
}
