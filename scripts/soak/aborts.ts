import { connect, type Socket } from 'node:net'

/** Clients that break off at the same time. */
const clients = 10

const upload = Buffer.alloc(100_000, 'x')
const post = `POST /bytes/2 HTTP/1.1\r\nhost: soak\r\ncontent-length: ${2 * upload.length}\r\n\r\n`

/** Where a client can go away; each begins a request and calls `leave` when it has got there. */
const stages: readonly ((socket: Socket, leave: () => void) => void)[] = [
  function duringTheHead(socket, leave) {
    socket.write('GET /silent HTTP/1.1\r\nhost: so', leave)
  },
  function beforeTheAnswer(socket, leave) {
    socket.write('GET /silent HTTP/1.1\r\nhost: soak\r\n\r\n', leave)
  },
  function duringTheAnswer(socket, leave) {
    socket.once('data', leave).write('GET /slow HTTP/1.1\r\nhost: soak\r\n\r\n')
  },
  function duringALargeAnswer(socket, leave) {
    socket.once('data', leave).write('GET /bytes/10000000 HTTP/1.1\r\nhost: soak\r\n\r\n')
  },
  function duringTheUpload(socket, leave) {
    socket.write(post)
    socket.write(upload, leave)
  },
  function withoutReading(socket, leave) {
    socket.pause().write('GET /bytes/10000000 HTTP/1.1\r\nhost: soak\r\n\r\n', leave)
  }
]

function abort(port: number, id: number): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('close', resolve).on('error', () => {})
    socket.once('connect', () => {
      // What is written may not have arrived yet; a spread of moments finds the gateway in all its states.
      const leave = () => setTimeout(() => (id % 2 ? socket.destroy() : socket.resetAndDestroy()), id % 7)
      stages[id % stages.length]?.(socket, leave)
    })
  })
}

/** Begins `count` requests and breaks each off. */
export async function sendAborts(port: number, count: number): Promise<void> {
  let sent = 0
  async function client(): Promise<void> {
    while (sent < count) await abort(port, sent++)
  }
  await Promise.all(Array.from({ length: clients }, client))
}
