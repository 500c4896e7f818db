import t from 'tap'
import { Attempt, GatewayError } from '../src/index.js'
import { question } from './transport/origin.js'

t.test('an attempt asks what its call asks, and notes where', async t => {
  const call = question({ method: 'PUT', path: '/a', headers: { x: '1' }, body: Buffer.from('body') })
  const attempt = new Attempt(call)
  for (const name of ['client', 'method', 'path', 'headers', 'body', 'upgrade', 'preferred', 'aborted'] as const) {
    t.equal(attempt[name], call[name], name)
  }
  t.equal(attempt.attempts, call.attempts)
  const other = Buffer.from('another')
  t.equal(new Attempt(call, other).body, other)
})

t.test('an attempt is given up alone, once, and says why', async t => {
  const call = question()
  const attempt = new Attempt(call)
  const reasons: Error[] = []
  attempt.onAbort = reason => reasons.push(reason)
  const { signal } = attempt
  const reason = new GatewayError('GTW_ERR_RESPONSE_TIMEOUT')
  attempt.abort(reason)
  attempt.abort(new Error('again'))
  t.same(reasons, [reason])
  t.equal(attempt.aborted, true)
  t.equal(signal.reason, reason)
  t.equal(call.aborted, false)
})

t.test('a signal asked for late knows what has happened', async t => {
  const attempt = new Attempt(question())
  const reason = new Error('late')
  attempt.abort(reason)
  t.equal(attempt.signal.reason, reason)
  const gone = new Attempt(question({ aborted: true }))
  t.equal(gone.aborted, true)
  t.match(gone.signal.reason, { code: 'GTW_ERR_CLIENT_GONE' })
})

t.test('an interim answer is relayed by whoever relays those of the call', async t => {
  const told: number[] = []
  const call = question({ onInterim: status => told.push(status) })
  const attempt = new Attempt(call)
  attempt.onInterim?.(103, {})
  t.same(told, [103])
  attempt.onInterim = undefined
  t.equal(call.onInterim, undefined)
})
