import { existsSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { limits, outlier, proxy, upstream } from '../../plugins/index.js'
import { ask } from '../ask.js'
import { origin } from '../helper.js'
import { contrasts, unnamed } from './admin-page.js'
import { type AdminOptions, type World, world } from './admin-world.js'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `there is no ${executablePath}`
const good: RequestListener = (_request, response) => {
  response.setHeader('cache-status', 'cache; hit')
  response.end('good')
}

let browser: Browser
t.before(async () => {
  if (!skip) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
t.teardown(() => browser?.close())

interface Look extends World {
  page: Page
  urls: string[]
  /** What went to the browser's console, or was thrown. */
  said: string[]
}

/** A gateway, and a browser that shows its dashboard; whatever is not from there is refused. */
async function look(
  t: Test,
  urls: string[],
  options: AdminOptions = {},
  context: BrowserContextOptions = {}
): Promise<Look> {
  const made = await world(
    t,
    app => {
      app.register(upstream, { endpoints: urls })
      app.register(outlier)
      app.register(limits, { endpoint: { pending: 50 } })
      app.register(proxy)
    },
    options
  )
  const page = await browser.newPage(context)
  t.teardown(() => page.close())
  page.setDefaultTimeout(20_000)
  const said: string[] = []
  page.on('console', message => said.push(message.text()))
  page.on('pageerror', error => said.push(String(error)))
  await page.route('**/*', route => (route.request().url().startsWith(made.url) ? route.continue() : route.abort()))
  return { ...made, page, urls, said }
}

async function live(page: Page): Promise<void> {
  await page.getByText('Live', { exact: true }).waitFor()
  await page.locator('.upstream').first().waitFor()
}

t.test('it works offline, and its numbers are those of real requests', { skip }, async t => {
  const { page, url, urls, port, said } = await look(t, [await origin(t, good), await origin(t, good)])
  const asked: string[] = []
  page.on('request', request => asked.push(request.url()))
  await page.goto(url)
  await live(page)
  t.equal(await page.locator('#cache').textContent(), '–')
  t.equal(await page.locator('#rate').textContent(), '0')
  for (let count = 0; count < 20; count++) await ask(port, `/path?secret=${count}`)
  await page.waitForFunction(() => document.getElementById('cache')?.textContent === '100 %')
  await page.waitForFunction(() => document.getElementById('p50')?.textContent?.endsWith(' ms'))
  await page.waitForFunction(() => /[1-9]\d* requests/.test(document.getElementById('rate-summary')?.textContent ?? ''))
  t.equal(await page.locator('#errors').textContent(), '0 %')
  for (const address of urls) t.ok(await page.getByRole('cell', { name: address, exact: true }).isVisible())
  t.equal(await page.locator('#workers tr').count(), 1)
  t.equal(await page.locator('.chart canvas').count(), 2)
  t.strictSame(said, [], 'no error, and nothing that the policy refuses')
  t.ok(
    asked.every(one => one.startsWith(url) || one.startsWith('data:')),
    'nothing is asked of others'
  )
  t.equal(asked.filter(one => one.endsWith('/events')).length, 1, 'one stream')
  t.notMatch(await page.content(), 'secret')
})

t.test('what happens to an endpoint is shown as it happens, and errors are', { skip }, async t => {
  const { page, url, urls, port, app } = await look(t, [
    await origin(t, ({ socket }) => socket.destroy()),
    await origin(t, good)
  ])
  await page.goto(url)
  await live(page)
  const row = page.locator('.upstream tbody tr').filter({ hasText: urls[0] as string })
  t.match(await row.textContent(), /^up/)
  app.upstream.find(urls[0] as string)?.block('health', { detail: 'it burns' })
  await row.getByText('down').waitFor()
  t.match(await row.textContent(), 'health: it burns')
  app.upstream.find(urls[0] as string)?.unblock('health')
  await row.getByText('up', { exact: true }).waitFor()
  await ask(port, '/broken')
  await ask(port, '/broken')
  const failure = page.locator('#failures tr')
  await failure.waitFor()
  t.match(await failure.textContent(), /502.*GET \/broken.*GTW_ERR_RESET/)
  app.upstream.remove(app.upstream.find(urls[0] as string) as never)
  await row.waitFor({ state: 'detached' })
})

t.test('endpoints are drained and unblocked by keyboard, and the focus stays', { skip }, async t => {
  const { page, url, urls, app } = await look(t, [await origin(t, good), await origin(t, good)])
  const endpoint = app.upstream.find(urls[0] as string)
  await page.goto(url)
  await live(page)
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'))
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the upstreams')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  t.equal(await focused(), `Drain ${urls[0]}`)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: `Resume ${urls[0]}` }).waitFor()
  t.ok(endpoint?.draining)
  t.equal(await focused(), `Resume ${urls[0]}`)
  t.match(await page.locator('#message').textContent(), 'gets no new requests')
  await page.keyboard.press('Space')
  await page.getByRole('button', { name: `Drain ${urls[0]}` }).waitFor()
  t.notOk(endpoint?.draining)

  endpoint?.block('outlier', { detail: 'slow' })
  await page.getByRole('button', { name: `Unblock ${urls[0]}` }).waitFor()
  await page.keyboard.press('Tab')
  t.equal(await focused(), `Unblock ${urls[0]}`)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: `Unblock ${urls[0]}` }).waitFor({ state: 'detached' })
  t.ok(endpoint?.available)
  t.equal(await focused(), `Drain ${urls[0]}`, 'its button has gone')
})

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`in ${colorScheme}, each text can be read, and each control has a name`, { skip }, async t => {
    const { page, url, urls, app, port } = await look(
      t,
      [await origin(t, good), await origin(t, ({ socket }) => socket.destroy()), await origin(t, good)],
      {},
      { colorScheme }
    )
    app.upstream.find(urls[0] as string)?.drain()
    await ask(port, '/')
    await ask(port, '/')
    app.upstream.find(urls[1] as string)?.block('admin', { detail: 'by hand' })
    await page.goto(url)
    await live(page)
    await page.locator('.state.down').waitFor()
    await page.locator('#failures tr').first().waitFor()
    await page.locator('button').first().hover()
    t.strictSame(await page.evaluate(contrasts), [], 'contrast')
    t.strictSame(await page.evaluate(unnamed), [], 'names')
    t.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
    t.equal(await page.getByRole('main').count(), 1)
    t.equal(await page.getByRole('table').count(), 3)
    t.equal(await page.getByRole('img').count(), 2)
    t.equal(await page.locator('html').getAttribute('lang'), 'en')
    t.equal(
      await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
      colorScheme === 'dark' ? 'rgb(18, 22, 29)' : 'rgb(244, 245, 247)'
    )
  })
}

t.test('on a phone nothing is wider than it, and buttons are large enough', { skip }, async t => {
  const viewport = { width: 360, height: 740 }
  const { page, url, app, urls } = await look(
    t,
    [await origin(t, good)],
    {},
    { viewport, isMobile: true, hasTouch: true }
  )
  app.upstream.find(urls[0] as string)?.block('outlier', { detail: 'a-long-reason-without-a-space'.repeat(10) })
  await page.goto(url)
  await live(page)
  await page.getByRole('button', { name: `Unblock ${urls[0]}` }).waitFor()
  t.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width)
  for (const button of await page.locator('.upstream button').all()) {
    t.ok(((await button.boundingBox())?.height ?? 0) >= 44)
  }
  t.equal(await page.getByRole('table').first().getByRole('row').count(), 2, 'it is a table still')
  await page.getByRole('button', { name: `Unblock ${urls[0]}` }).tap()
  await page.locator('.state.up').waitFor()
})

t.test('the token is asked for once, and sent with all that follows', { skip }, async t => {
  const token = 'a-token-of-enough-letters'
  const { page, url, urls, app } = await look(t, [await origin(t, good)], { token })
  await page.goto(url)
  await page.getByRole('textbox', { name: 'Token' }).fill('another-token-of-enough')
  await page.keyboard.press('Enter')
  await page.getByText('That token is not the one.').waitFor()
  await page.getByRole('textbox', { name: 'Token' }).fill(token)
  await page.keyboard.press('Enter')
  await live(page)
  await page.getByRole('button', { name: `Drain ${urls[0]}` }).click()
  await page.getByRole('button', { name: `Resume ${urls[0]}` }).waitFor()
  t.ok(app.upstream.find(urls[0] as string)?.draining)
  await page.reload()
  await live(page)
  t.equal(await page.evaluate(() => JSON.stringify(localStorage)), '{}')
  t.notMatch(page.url(), token)
})

t.test('a page that is hidden is told nothing, and one whose gateway has gone says so', { skip }, async t => {
  const { page, url, app } = await look(t, [await origin(t, good)])
  let streams = 0
  page.on('request', request => {
    if (request.url().endsWith('/events')) streams++
  })
  await page.goto(url)
  await live(page)
  const show = (hidden: boolean) =>
    page.evaluate(hidden => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, hidden)
  const ended = page.waitForEvent('requestfailed')
  await show(true)
  t.match((await ended).url(), /\/events$/)
  t.equal(await page.locator('#connection').textContent(), 'Paused')
  await show(false)
  await live(page)
  t.equal(streams, 2)
  await app.close()
  await page.getByText('Connection lost; trying again').waitFor()
})
