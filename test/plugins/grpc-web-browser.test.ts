import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import cors from '@fastify/cors'
import { status as codes, Metadata, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js'
import { type Browser, chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { grpcWeb, proxy, upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { serve } from '../grpc-world.js'
import { listen } from '../helper.js'
import { cert, key } from '../transport/certificate.js'
import type { Client, call, Outcome } from './grpc-web-page.js'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `there is no ${executablePath}`

let browser: Browser
t.before(async () => {
  if (!skip) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
t.teardown(() => browser?.close())

/** The page loads the clients as they are in node_modules. */
const root = new URL('../../../', import.meta.url)
const imports = Object.fromEntries(
  [
    '@bufbuild/protobuf',
    '@bufbuild/protobuf/codegenv2',
    '@bufbuild/protobuf/wire',
    '@bufbuild/protobuf/wkt',
    '@connectrpc/connect',
    '@connectrpc/connect/protocol',
    '@connectrpc/connect/protocol-connect',
    '@connectrpc/connect/protocol-grpc-web',
    '@connectrpc/connect-web'
  ].map(name => [name, `/${import.meta.resolve(name).slice(root.href.length)}`])
)
const html = `<!doctype html>
<script type="importmap">${JSON.stringify({ imports: { ...imports, 'grpc-web': '/node_modules/grpc-web/index.esm.js' } })}</script>
<script type="module">import { call } from '/dist/test/plugins/grpc-web-page.js'; globalThis.call = call</script>`

/** A google.protobuf.StringValue that is short. */
function message(text: string): Buffer {
  return Buffer.from(`\n${String.fromCharCode(text.length)}${text}`)
}

/** Says how it is: a status, what is wrong, and a field. */
function outcome(code: codes): { code: codes; details: string; metadata: Metadata } {
  const metadata = new Metadata()
  metadata.set('x-end', 'yes')
  return { code, details: 'nicht da: ü', metadata }
}

/** A page of a gateway before a server, which is called by another name of the same gateway: another origin. */
async function world(t: Test) {
  let proceed = () => {}
  const port = await serve(t, {
    unary: ({ request, metadata }: ServerUnaryCall<Buffer, Buffer>, done: (...answer: unknown[]) => void) => {
      const asked = request.subarray(2).toString()
      if (asked === 'next') proceed()
      if (asked === 'fail') done(outcome(codes.NOT_FOUND))
      else done(null, message(`${asked} ${metadata.get('x-asked')}`), outcome(codes.OK).metadata)
    },
    count: (stream: ServerWritableStream<Buffer, Buffer>) => {
      stream.write(message('0'))
      if (stream.request.subarray(2).toString() === 'fail') stream.emit('error', outcome(codes.ABORTED))
      else {
        proceed = () => {
          stream.write(message('1'))
          stream.end(outcome(codes.OK).metadata)
        }
      }
    }
  } as never)
  const asked: string[] = []
  const app = gateway()
  app.secure({ cert, key })
  app.register(upstream, { endpoints: [`http://127.0.0.1:${port}`], transport: 'http2' })
  app.get('/', (_request, reply) => reply.type('text/html').send(html))
  for (const path of ['/node_modules/*', '/dist/*']) {
    app.get(path, ({ url }, reply) => reply.type('text/javascript').send(readFileSync(new URL(`.${url}`, root))))
  }
  app.register(
    async echo => {
      echo.addHook('onResponse', async ({ method, raw }) => void asked.push(`${method} ${raw.httpVersion}`))
      echo.register(cors, {
        origin: [/^https:\/\/localhost:/],
        methods: ['POST'],
        allowedHeaders: ['content-type', 'x-grpc-web', 'x-user-agent', 'grpc-timeout', 'x-asked']
      })
      echo.register(grpcWeb)
      echo.register(proxy)
    },
    { prefix: '/test.Echo' }
  )
  const own = await listen(t, app)
  const page = await browser.newPage({ ignoreHTTPSErrors: true })
  t.teardown(() => page.close())
  page.setDefaultTimeout(20_000)
  await page.goto(`https://localhost:${own}/`)
  await page.waitForFunction(() => 'call' in globalThis)
  const ask = (...args: Parameters<typeof call>): Promise<Outcome> =>
    page.evaluate(args => (globalThis as unknown as { call: typeof call }).call(...args), args)
  return { ask, asked, same: `https://localhost:${own}`, other: `https://127.0.0.1:${own}` }
}

for (const client of ['connect-web', 'grpc-web', 'grpc-web-text'] as Client[]) {
  t.test(`${client} of a page: answers, errors and streams come over HTTP/2`, { skip }, async t => {
    const { ask, asked, same, other } = await world(t)
    const end = { code: codes.OK, text: '', end: 'yes' }
    const failed = { ...end, text: 'nicht da: ü' }
    for (const origin of [same, other]) {
      t.strictSame(await ask(client, origin, 'unary', 'hi'), { messages: ['hi yes'], ...end })
      t.strictSame(await ask(client, origin, 'unary', 'fail'), { ...failed, messages: [], code: codes.NOT_FOUND })
      t.strictSame(await ask(client, origin, 'count', 'fail'), { ...failed, messages: ['0'], code: codes.ABORTED })
      if (client !== 'grpc-web') {
        const streamed = await ask(client, origin, 'count', 'two', 'next')
        t.strictSame(streamed, { messages: ['0', '1'], ...end }, 'a message does not wait for the next one')
      }
      t.equal(asked.includes('OPTIONS 2.0'), origin === other, 'CORS is asked for where it has to be')
    }
    t.ok(asked.every(one => one.endsWith(' 2.0')))
  })
}
