import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

const opening = 100

/** How many connections this process and its children may hold, with room for their other files. */
export function openFileLimit(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft) - 200
}

/** Opens a connection, makes one request on it and leaves it open. */
function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the gateway closed an idle connection')))
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      if (!answer.endsWith('x')) return
      if (answer.startsWith('HTTP/1.1 200')) resolve(socket)
      else reject(new Error(`an idle connection's request was answered ${answer.slice(0, 12)}`))
    })
    socket.write('GET /bytes/1 HTTP/1.1\r\nhost: soak\r\n\r\n')
  })
}

/** Holds `count` idle connections while `look` runs; fails when one of them was closed. */
export async function holdIdle<Result>(port: number, count: number, look: () => Promise<Result>): Promise<Result> {
  const sockets: Socket[] = []
  let begun = 0
  async function opener(): Promise<void> {
    while (begun < count) {
      begun++
      sockets.push(await open(port))
    }
  }
  await Promise.all(Array.from({ length: opening }, opener))
  const result = await look()
  const held = sockets.filter(socket => socket.readyState === 'open').length
  for (const socket of sockets) socket.destroy()
  if (held !== count) throw new Error(`${count - held} of ${count} idle connections were closed`)
  return result
}
