import t from 'tap'
import { quantile, readReport } from '../../../scripts/bench/h2load.js'

interface Said {
  finished?: string
  requests?: string
  codes?: string
  tls?: string
  protocol?: string
}

/** What h2load 1.52 prints, without the lines that nobody reads. */
const report = ({
  finished = '1.01s',
  requests = '5000 total, 5100 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout',
  codes = '5000 2xx, 0 3xx, 0 4xx, 0 5xx',
  tls = 'TLSv1.3',
  protocol = 'h2'
}: Said = {}) => `starting benchmark...
TLS Protocol: ${tls}
Cipher: TLS_AES_128_GCM_SHA256
Application protocol: ${protocol}

finished in ${finished}, 4950.00 req/s, 3.98MB/s
requests: ${requests}
status codes: ${codes}
traffic: 3.98MB (4178326) total, 2.55MB (2678100) headers (space savings 49.49%), 523.07KB (535620) data
`

t.test('what was under way at the end is no error', async t => {
  t.strictSame(readReport(report(), 'h2', 100), { requests: 5000, seconds: 1.01, errors: 0 })
  t.equal(readReport(report({ finished: '203.09ms' }), 'h2', 100).seconds, 0.20309)
  t.equal(readReport(report({ finished: '812us' }), 'h2', 100).seconds, 0.000812)
})

t.test('all else but 2xx is', async t => {
  const lost = '5000 total, 5105 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout'
  t.equal(readReport(report({ requests: lost }), 'h2', 100).errors, 5, 'no answer')
  const failed = '5000 total, 5100 started, 5000 done, 4990 succeeded, 10 failed, 0 errored, 0 timeout'
  t.equal(readReport(report({ requests: failed, codes: '4990 2xx, 0 3xx, 4 4xx, 6 5xx' }), 'h2', 100).errors, 10)
  t.equal(readReport(report({ codes: '4993 2xx, 7 3xx, 0 4xx, 0 5xx' }), 'h2', 100).errors, 7, 'a redirection')
  const all = '100 total, 100 started, 100 done, 0 succeeded, 100 failed, 100 errored, 0 timeout'
  t.equal(readReport(report({ requests: all, codes: '0 2xx, 0 3xx, 0 4xx, 0 5xx' }), 'h2', 100).errors, 100)
  const none = '0 total, 0 started, 0 done, 0 succeeded, 0 failed, 0 errored, 0 timeout'
  const nothing = report({ requests: none, codes: '0 2xx, 0 3xx, 0 4xx, 0 5xx' })
  t.equal(readReport(nothing, 'h2', 100).errors, 1, 'no connection')
})

t.test('another protocol than was meant fails the run', async t => {
  t.throws(() => readReport(report({ protocol: 'http/1.1' }), 'h2', 100), /Application protocol is http\/1\.1, not h2/)
  t.throws(() => readReport(report({ tls: 'TLSv1.2' }), 'h2', 100), /TLS Protocol is TLSv1\.2/)
  t.equal(readReport(report({ protocol: 'http/1.1' }), 'https', 100).errors, 0)
  t.equal(readReport(report({ protocol: 'h2c', tls: 'none' }), 'h2c', 100).errors, 0)
})

t.test('another form, too', async t => {
  for (const part of ['finished in', 'requests:', 'status codes:', 'Application protocol:']) {
    t.throws(() => readReport(report().replace(part, 'elsewhere'), 'h2', 100), { message: /h2load/ }, part)
  }
})

t.test('quantiles', async t => {
  const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1)
  t.equal(quantile(sorted, 0.5), 51)
  t.equal(quantile(sorted, 0.99), 100)
  t.ok(Number.isNaN(quantile(new Float64Array(), 0.5)))
})
