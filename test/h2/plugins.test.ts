import t from 'tap'
import { metrics } from '../../plugins/index.js'
import { only, values } from '../plugins/metrics-values.js'
import { ask, becomes, world } from './world.js'

t.test('metrics count requests of HTTP/2 like any other', async t => {
  const { client, app, requests } = await world(t, {
    define: app => void app.register(metrics),
    answer: (request, response) => {
      if (request.url !== '/left') response.end('ok')
    }
  })
  await ask(client)
  await ask(client, '/', { headers: { ':method': 'POST' }, body: 'hello' })
  await ask(client, '/%zz')
  const left = client.request({ ':path': '/left' })
  left.on('error', () => {})
  await becomes(() => app.upstream.endpoints[0]?.pending === 1)
  left.close(8)
  await becomes(() => requests().length === 4)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_requests_total'), {
    'route="/*",method="GET",status="200"': 1,
    'route="/*",method="POST",status="200"': 1,
    'route="/*",method="GET",status="499"': 1,
    'route="/*",method="GET",status="400"': 1
  })
  t.strictSame(only(all, 'headgate_responses_incomplete_total'), { 'route="/*"': 1 })
  t.equal(all.get('headgate_connections'), 1)
  for (const [labels, count] of Object.entries(only(all, 'headgate_requests_in_flight'))) t.equal(count, 0, labels)
})
