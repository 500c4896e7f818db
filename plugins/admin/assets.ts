import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { page } from './page/document.js'
import { style } from './page/style.js'

const script = 'text/javascript; charset=utf-8'
const sheet = 'text/css; charset=utf-8'

/** What the dashboard is made of: read once, and all of it from here. */
function assets(): Map<string, { type: string; body: string }> {
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'))
  const own = fileURLToPath(new URL('./page/', import.meta.url))
  const read = (directory: string, name: string, type: string) => ({
    type,
    // The map of a script is not served.
    body: readFileSync(join(directory, name), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '')
  })
  const scripts = ['main', 'charts', 'stream', 'render', 'orders'].map(
    name => [`/assets/${name}.js`, read(own, `${name}.js`, script)] as const
  )
  return new Map([
    ['/', { type: 'text/html; charset=utf-8', body: page }],
    ['/assets/style.css', { type: sheet, body: style }],
    ['/assets/uplot.js', read(uplot, 'dist/uPlot.iife.min.js', script)],
    ['/assets/uplot.css', read(uplot, 'dist/uPlot.min.css', sheet)],
    ...scripts
  ])
}

/** The page and its parts hold no numbers, and so need no token. */
export function addAssets(app: FastifyInstance): void {
  let loaded: ReturnType<typeof assets> | undefined
  for (const url of paths) {
    app.get(url, (_request, reply) => {
      loaded ??= assets()
      const { type, body } = loaded.get(url) as { type: string; body: string }
      return reply.type(type).send(body)
    })
  }
}

const paths = [
  '/',
  '/assets/style.css',
  '/assets/uplot.js',
  '/assets/uplot.css',
  '/assets/main.js',
  '/assets/charts.js',
  '/assets/stream.js',
  '/assets/render.js',
  '/assets/orders.js'
]
