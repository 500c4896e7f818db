import fc from 'fast-check'
import CachePolicy from 'http-cache-semantics'
import t from 'tap'
import { cacheControl, none } from '../../../plugins/cache/directives.js'
import { freshness } from '../../../plugins/cache/freshness.js'
import { refusal } from '../../../plugins/cache/storable.js'

const duration = fc.nat({ max: 100_000 }).map(String)
const directive = fc.oneof(
  fc.constantFrom(
    'public',
    'private',
    'no-store',
    'no-cache',
    'must-revalidate',
    'proxy-revalidate',
    'no-transform',
    'x-unknown'
  ),
  duration.map(seconds => `max-age=${seconds}`),
  duration.map(seconds => `s-maxage=${seconds}`)
)
/** Each directive once: of two that differ the library takes neither. */
const control = fc
  .uniqueArray(directive, { maxLength: 4, selector: text => text.split('=')[0] })
  .map(list => list.join(', '))
const answer = fc.record({
  status: fc.constantFrom(200, 203, 204, 206, 300, 301, 302, 307, 308, 404, 410, 500, 503),
  control,
  expires: fc.option(fc.integer({ min: -1_000, max: 1_000 }), { nil: undefined }),
  authorized: fc.boolean()
})

const now = Date.now()
const at = (seconds: number) => new Date(now + seconds * 1_000).toUTCString()
const rules = { ttl: 0, override: false, heuristic: { share: 0, longest: 0 } }

function both({
  status,
  control,
  expires,
  authorized
}: {
  status: number
  control: string
  expires: number | undefined
  authorized: boolean
}) {
  const headers: Record<string, string> = { date: at(0), etag: '"a"' }
  if (control !== '') headers['cache-control'] = control
  if (expires !== undefined) headers.expires = at(expires)
  const asked: Record<string, string> = authorized ? { authorization: 'Basic eDp5' } : {}
  const directives = cacheControl(headers['cache-control'])
  const request = { method: 'GET', headers: asked }
  const theirs = new CachePolicy(
    { url: '/', method: 'GET', headers: asked },
    { status, headers },
    { shared: true, cacheHeuristic: 0 }
  )
  return {
    directives,
    stored:
      refusal(request, { statusCode: status, headers }, none, directives, { setCookie: 'refuse', ttl: 0 }) ===
      undefined,
    lifetime: freshness(headers, directives, rules, now).lifetime,
    theirs
  }
}

t.test('what says how long it is fresh is stored as http-cache-semantics has it', t => {
  fc.assert(
    fc.property(answer, one => {
      const { directives, stored, theirs } = both(one)
      const explicit = directives.maxAge !== undefined || directives.sMaxage !== undefined || one.expires !== undefined
      // A part is stored here, by rules of its own, and errors that say that they may be; there, neither is.
      fc.pre(explicit && one.status !== 206 && one.status < 500)
      // The library lets Expires and max-age=0 make no case for storing a redirect that is not permanent; RFC 9111 §3 does.
      fc.pre(![302, 307].includes(one.status))
      return stored === theirs.storable()
    }),
    { numRuns: 2_000, seed: 1 }
  )
  t.end()
})

t.test('how long it is fresh, as http-cache-semantics has it', t => {
  fc.assert(
    fc.property(answer, one => {
      const { directives, lifetime, stored, theirs } = both(one)
      // There, no-cache and proxy-revalidate take the lifetime away; here they are flags beside it. RFC 9111 §5.2.2.8 asks
      // for validation once the answer is stale, and not before.
      fc.pre(stored && theirs.storable() && directives.noCache === false && !directives.proxyRevalidate)
      return Math.round(lifetime / 1_000) === Math.max(0, theirs.maxAge())
    }),
    { numRuns: 2_000, seed: 1 }
  )
  t.end()
})

/** RFC 9111 §3, read once more and written down another way: as what must all be true. */
t.test('what is stored, by a second reading of the RFC', t => {
  fc.assert(
    fc.property(answer, ({ status, control, expires, authorized }) => {
      const { stored } = both({ status, control, expires, authorized })
      const said = control === '' ? [] : control.split(', ').map(text => text.split('=')[0] as string)
      const has = (...names: string[]) => names.some(name => said.includes(name))
      const mayBeStored =
        !has('no-store') && !has('private') && (!authorized || has('public', 's-maxage', 'must-revalidate'))
      const hasReason =
        has('public', 'max-age', 's-maxage') ||
        expires !== undefined ||
        [200, 203, 204, 206, 300, 301, 308, 404, 410].includes(status)
      return stored === (mayBeStored && hasReason)
    }),
    { numRuns: 5_000, seed: 1 }
  )
  t.end()
})
