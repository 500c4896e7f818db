import { createSocket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import packet, { type Answer, AUTHORITATIVE_ANSWER, type RecordType } from 'dns-packet'
import type { Test } from 'tap'

/** What it says of a name: records, a code instead of them, or nothing at all. */
export type Records = Partial<Record<RecordType, unknown[]>> | 'NXDOMAIN' | 'SERVFAIL' | 'silent'

const codes = { NXDOMAIN: 3, SERVFAIL: 2 }

export interface DnsServer extends EventEmitter<{ question: [type: string, name: string] }> {
  /** As Resolver.setServers takes it. */
  address: string
  /** Seconds. */
  ttl: number
  /** By name; a name that is not there is NXDOMAIN, a type that is not there NODATA. */
  names: Record<string, Records>
}

/** A real DNS server on loopback over UDP, gone with the test. */
export async function dnsServer(t: Test, names: DnsServer['names'] = {}): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const server = Object.assign(new EventEmitter<{ question: [string, string] }>(), { address: '', ttl: 0, names })
  socket.on('message', (message, { address, port }) => {
    const { id, questions = [] } = packet.decode(message)
    const [question] = questions
    if (question === undefined) return
    const { type, name } = question
    server.emit('question', type, name)
    const records = server.names[name] ?? 'NXDOMAIN'
    if (records === 'silent') return
    const code = typeof records === 'string' ? codes[records] : 0
    const data = typeof records === 'string' ? [] : (records[type] ?? [])
    const answers = data.map(data => ({ type, name, ttl: server.ttl, data })) as Answer[]
    const answer = { type: 'response', id, flags: AUTHORITATIVE_ANSWER | code, questions, answers } as const
    socket.send(packet.encode(answer), port, address)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  server.address = `127.0.0.1:${socket.address().port}`
  t.teardown(() => socket.close())
  return server
}
