import t from 'tap'
import { type ErrorCode, errors, type FaultKind, faultKind, faultOf, GatewayError } from '../src/index.js'

t.test('each error of the gateway counts as a failed connection, as a gateway error, or not at all', async t => {
  const counted: Partial<Record<ErrorCode, FaultKind>> = {
    GTW_ERR_DNS: 'connect',
    GTW_ERR_CONNECT: 'connect',
    GTW_ERR_CONNECT_TIMEOUT: 'connect',
    GTW_ERR_TLS: 'connect',
    GTW_ERR_TLS_CERTIFICATE: 'connect',
    GTW_ERR_RESET: 'gateway',
    GTW_ERR_RESPONSE_TIMEOUT: 'gateway',
    GTW_ERR_BAD_RESPONSE: 'gateway',
    GTW_ERR_RESPONSE_INCOMPLETE: 'gateway',
    GTW_ERR_RESPONSE_HEAD_TOO_LARGE: 'gateway',
    GTW_ERR_UPGRADE: 'gateway',
    GTW_ERR_DEADLINE: 'gateway'
  }
  for (const name of Object.keys(errors)) {
    const code = faultOf(new GatewayError(name as ErrorCode))
    t.equal(code && faultKind(code), counted[name as ErrorCode], name)
  }
  t.equal(faultOf(new TypeError('a filter is wrong')), undefined)
  t.equal(faultOf(null), undefined)
})

t.test('an attempt given up counts when a deadline is its cause', async t => {
  const because = (cause: unknown) => faultOf(new GatewayError('GTW_ERR_CLIENT_GONE', { cause }))
  t.equal(because(new GatewayError('GTW_ERR_DEADLINE')), 'GTW_ERR_DEADLINE')
  t.equal(because(new GatewayError('GTW_ERR_CLIENT_GONE')), undefined)
  t.equal(because(new Error('closed')), undefined)
})

t.test('a switch of protocols that the transport does not do is no fault of the endpoint', async t => {
  t.equal(faultOf(new GatewayError('GTW_ERR_UPGRADE', { unsent: true })), undefined)
})
