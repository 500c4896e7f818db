import type { IncomingHttpHeaders } from 'node:http'

/**
 * Fields that some services take for another path, method or host than the request has. They are in no key, so that what such
 * a request brings about is nobody else's answer: else one client could put it there for all.
 */
const unkeyed = [
  'x-original-url',
  'x-rewrite-url',
  'x-original-host',
  'x-host',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-forwarded-scheme',
  'x-forwarded-prefix'
] as const

export function hasUnkeyed(headers: IncomingHttpHeaders): boolean {
  for (const name of unkeyed) if (headers[name] !== undefined) return true
  return false
}

/** Ends of paths that no page has. */
const extensions: ReadonlySet<string> = new Set(
  'avif css gif ico jpeg jpg js json mjs mp3 mp4 pdf png svg ttf webm webp woff woff2 xml zip'.split(' ')
)

/**
 * `/account/x.css` that answers with a page: a service that ignores the end of a path shows the account there, and a link to
 * it makes its owner put the page where everybody can fetch it (web cache deception).
 */
export function isDeceptive(url: string, type: string | undefined): boolean {
  if (type === undefined || !type.toLowerCase().startsWith('text/html')) return false
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
  return extensions.has(extension)
}
