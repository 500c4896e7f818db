import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import t from 'tap'
import { cert, key } from '../transport/certificate.js'
import { becomes, world } from './world.js'

const run = promisify(execFile)

/** Where a tool is; a reason to skip what needs it where it is not. */
async function find(tool: string): Promise<{ skip: string | false }> {
  const found = await run('which', [tool]).then(
    () => true,
    () => false
  )
  return { skip: found ? false : `there is no ${tool}` }
}

const big = Buffer.alloc(4_194_304)

t.test('curl prints 413 in the middle of an upload', await find('curl'), async t => {
  const { port, seen } = await world(t, { options: { bodyLimit: 100_000 } })
  const status = ['-s', '-o', '/dev/null', '-w', '%{http_version} %{http_code}', '--http2-prior-knowledge']
  for (const more of [
    ['-T', '-'],
    ['--data-binary', '@-'],
    ['-H', 'expect:', '--data-binary', '@-']
  ]) {
    const asked = run('curl', [...status, ...more, `http://127.0.0.1:${port}/`])
    asked.child.stdin?.on('error', () => {}).end(big)
    t.equal((await asked).stdout, '2 413', more.join(' '))
  }
  t.notOk(seen.some(({ complete }) => complete))
})

t.test('curl: HEAD, uploads, and many at once over TLS', await find('curl'), async t => {
  const { port, seen } = await world(t, { define: app => void app.secure({ cert, key }) })
  const url = `https://127.0.0.1:${port}`
  const shared = ['-sk', '--http2', '-w', '%{http_version} %{http_code}\n', '-o', '/dev/null']
  t.equal((await run('curl', [...shared, '-I', url])).stdout, '2 200\n')
  const upload = run('curl', [...shared, '-T', '-', url])
  upload.child.stdin?.end(big)
  t.equal((await upload).stdout, '2 200\n')
  t.equal(seen[1]?.body.length, big.length)
  const { stdout } = await run('curl', [...shared, '-Z', ...Array.from({ length: 50 }, (_, i) => `${url}/${i}`)])
  t.equal(stdout.match(/2 200\n/g)?.length, 50)
})

t.test('nghttp: priorities are of no matter, and trailers pass', await find('nghttp'), async t => {
  const { port, seen } = await world(t)
  const args = [
    '-v',
    '-p',
    '256',
    '--no-content-length',
    '--trailer',
    'x-check: 9',
    '-H',
    'expect: 100-continue',
    '-d',
    '/etc/hostname'
  ]
  const { stdout } = await run('nghttp', [...args, `http://127.0.0.1:${port}/`])
  t.match(stdout, /PRIORITY/)
  t.match(stdout, /:status.*200/)
  await becomes(() => seen[0]?.complete === true)
  t.match(seen[0]?.trailers, { 'x-check': '9' })
})

t.test('h2load: no request fails', await find('h2load'), async t => {
  const { port, seen } = await world(t)
  for (const size of ['10', '100']) {
    const before = seen.length
    const { stdout } = await run('h2load', ['-n', '2000', '-c', size, '-m', size, `http://127.0.0.1:${port}/`])
    t.match(stdout, '2000 succeeded, 0 failed, 0 errored')
    t.equal(seen.length - before, 2_000)
  }
})

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `there is no ${executablePath}`

t.test('Chromium loads a page with fifty images', { skip }, async t => {
  const image = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
  const { port, seen, app, requests } = await world(t, {
    define: app => void app.secure({ cert, key }),
    answer: (request, response) => {
      if (request.url !== '/') response.setHeader('content-type', 'image/svg+xml').end(image)
      else {
        const images = Array.from({ length: 50 }, (_, index) => `<img src="/${index}.svg">`)
        response.setHeader('content-type', 'text/html').end(`<!doctype html>${images.join('')}`)
      }
    }
  })
  let sockets = 0
  app.server.on('connection', () => sockets++)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  const page = await browser.newPage({ ignoreHTTPSErrors: true })
  await page.goto(`https://127.0.0.1:${port}/`, { waitUntil: 'load' })
  const loaded = await page.evaluate(() => [...document.images].filter(({ naturalWidth }) => naturalWidth === 9).length)
  t.equal(loaded, 50)
  const protocols = await page.evaluate(() => [
    ...new Set(
      performance.getEntriesByType('resource').map(entry => (entry as PerformanceResourceTiming).nextHopProtocol)
    )
  ])
  t.strictSame(protocols, ['h2'])
  t.ok(seen.length >= 51)
  t.ok(sockets <= 3, `${sockets} connections`)
  await becomes(() => requests().length >= 51)
  t.ok(requests().every(({ status, protocol }) => status === 200 && protocol === 'HTTP/2.0'))
})
