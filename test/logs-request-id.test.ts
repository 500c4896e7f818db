import t, { type Test } from 'tap'
import type { GatewayOptions } from '../src/index.js'
import { ask, before, type Line, ok, talking } from './rules/dialogue.js'

interface Told {
  /** In the access line. */
  reqId: unknown
  /** What the upstream was told. */
  sent: string[]
}

async function request(t: Test, fields: string, options: GatewayOptions = {}): Promise<Told> {
  let head = ''
  const url = await talking(t, async peer => {
    head = await peer.until()
    peer.send(ok)
  })
  const made = await before(t, url, { options: { timeouts: { close: 1 }, ...options } })
  await ask(t, made.port, `GET / HTTP/1.1\r\nHost: a\r\n${fields}Connection: close\r\n\r\n`)
  const line: Line = await made.logged('request')
  return {
    reqId: line.reqId,
    sent: [...head.matchAll(/^(x-request-id|x-id): (.*)\r$/gim)].map(([, , id]) => id as string)
  }
}

const made = /^[a-z\d]{8,13}-[a-z\d]+$/

t.test('a request gets an id, which the upstream is told', async t => {
  const { reqId, sent } = await request(t, '')
  t.match(reqId, made)
  t.strictSame(sent, [reqId])
  const another = await request(t, '')
  t.not(another.reqId, reqId)
  t.equal(String(another.reqId).split('-')[0], String(reqId).split('-')[0], 'of one process')
})

t.test('the word of a client does not count', async t => {
  const { reqId, sent } = await request(t, 'X-Request-Id: theirs\r\n')
  t.match(reqId, made)
  t.strictSame(sent, [reqId])
})

t.test('that of a trusted proxy does, and goes on', async t => {
  const longest = 'aZ09._~+/=-'.padEnd(128, 'x')
  for (const id of ['theirs', longest]) {
    t.strictSame(await request(t, `X-Request-Id: ${id}\r\n`, { trustProxy: true }), { reqId: id, sent: [id] })
  }
  const { reqId } = await request(t, 'X-Request-Id: theirs\r\n', { trustProxy: '10.0.0.0/8' })
  t.match(reqId, made, 'another proxy is trusted')
})

t.test('unless it is no id', async t => {
  for (const field of ['a b', 'a"b', 'a\xe9', 'x'.repeat(129), '', 'a\r\nX-Request-Id: b']) {
    const { reqId, sent } = await request(t, `X-Request-Id: ${field}\r\n`, { trustProxy: true })
    t.match(reqId, made, field)
    t.strictSame(sent, [reqId])
  }
})

t.test('the field has another name', async t => {
  const options = { trustProxy: true, requestIdHeader: 'x-id' } as const
  t.strictSame(await request(t, 'X-Id: theirs\r\n', options), { reqId: 'theirs', sent: ['theirs'] })
})

t.test('or there is none: what the client sends is a field like any other', async t => {
  const { reqId, sent } = await request(t, 'X-Request-Id: theirs\r\n', { trustProxy: true, requestIdHeader: false })
  t.match(reqId, made)
  t.strictSame(sent, ['theirs'])
})

t.test('the app makes ids of its own where none is believed', async t => {
  const options = { genReqId: () => 'own' }
  t.strictSame(await request(t, 'X-Request-Id: theirs\r\n', options), { reqId: 'own', sent: ['own'] })
  const trusting = { ...options, trustProxy: true }
  t.strictSame(await request(t, 'X-Request-Id: theirs\r\n', trusting), { reqId: 'theirs', sent: ['theirs'] })
})
