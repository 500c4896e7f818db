import t from 'tap'
import type { Body } from '../../src/body.js'
import { transport2 } from './http2-origin.js'
import { data, frame, headers, raw } from './http2-raw.js'
import { question, text } from './origin.js'

const ok: [string, string] = [':status', '200']

for (const [what, answer, code] of [
  ['no status', [headers(1, [['a', 'b']], true)], 'GTW_ERR_BAD_RESPONSE'],
  ['a status that is none', [headers(1, [[':status', '20']], true)], 'GTW_ERR_BAD_RESPONSE'],
  ['a switch of protocols', [headers(1, [[':status', '101']])], 'GTW_ERR_BAD_RESPONSE'],
  ['a name in upper case', [headers(1, [ok, ['A', 'b']], true)], 'GTW_ERR_BAD_RESPONSE'],
  ['a field of connections', [headers(1, [ok, ['connection', 'close']], true)], 'GTW_ERR_BAD_RESPONSE'],
  ['two lengths', [headers(1, [ok, ['content-length', '1'], ['content-length', '2']])], 'GTW_ERR_BAD_RESPONSE'],
  [
    'more content than its length',
    [headers(1, [ok, ['content-length', '1']]), data(1, 'ab', true)],
    'GTW_ERR_BAD_RESPONSE'
  ],
  [
    'less content than its length',
    [headers(1, [ok, ['content-length', '3']]), data(1, 'ab', true)],
    'GTW_ERR_RESPONSE_INCOMPLETE'
  ],
  [
    'less content than its length, and trailers',
    [headers(1, [ok, ['content-length', '3']]), headers(1, [['a', 'b']], true)],
    'GTW_ERR_RESPONSE_INCOMPLETE'
  ],
  ['content in a 204', [headers(1, [[':status', '204']]), data(1, 'ab', true)], 'GTW_ERR_BAD_RESPONSE'],
  ['a head that is too large', [headers(1, [ok, ['a', 'b'.repeat(10_000)]], true)], 'GTW_ERR_RESPONSE_HEAD_TOO_LARGE'],
  ['33 interim answers', Array.from({ length: 33 }, () => headers(1, [[':status', '103']])), 'GTW_ERR_BAD_RESPONSE'],
  ['a frame that is broken', [frame(8, 0, 0)], 'GTW_ERR_BAD_RESPONSE']
] as [string, Buffer[], string][]) {
  t.test(`${what} fails the request`, async t => {
    const { port } = await raw(t, answer)
    const http = transport2(t, port, { headLimit: 8_192 })
    const request = question()
    await t.rejects(http.send(request), { code: code as 'GTW_ERR_BAD_RESPONSE', unsent: false })
    t.equal(request.onAbort, undefined)
  })
}

t.test('a malformed answer spoils its own stream alone', async t => {
  const { port } = await raw(t, [headers(1, [['a', 'b']], true)], [headers(3, [ok], true)])
  const http = transport2(t, port)
  await t.rejects(http.send(question()), { code: 'GTW_ERR_BAD_RESPONSE' })
  t.equal((await http.send(question())).statusCode, 200)
  t.equal(http.statistics.opened, 1)
})

t.test('a 204 with a length loses it', async t => {
  const { port } = await raw(t, [
    headers(
      1,
      [
        [':status', '204'],
        ['content-length', '5']
      ],
      true
    )
  ])
  t.equal((await transport2(t, port).send(question())).headers['content-length'], undefined)
})

t.test('malformed trailers fail the body', async t => {
  const { port } = await raw(t, [headers(1, [ok]), data(1, 'a')])
  const http = transport2(t, port, { bodyTimeout: 100 })
  const { body } = await http.send(question())
  await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  const other = await raw(t, [headers(1, [ok]), data(1, 'a'), headers(1, [[':status', '200']], true)])
  await t.rejects(transport2(t, other.port).send(question()), { code: 'GTW_ERR_BAD_RESPONSE' })
})

t.test('an idempotent request on a connection that falls silent is not sent twice', async t => {
  const { port } = await raw(t, [headers(1, [ok], true)])
  const http = transport2(t, port, { pingTimeout: 50 })
  t.equal((await http.send(question())).statusCode, 200)
  await t.rejects(http.send(question()), { code: 'GTW_ERR_RESET', detail: 'no answer to PING' })
  t.equal(http.statistics.opened, 1)
})
