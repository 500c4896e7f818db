import type { Line } from './line.js'

/** For Fastify's option `logger`. */
export interface LoggerSettings {
  level: string
  stream?: { write(line: string): void }
}

/** What is needed of process.stdout. */
interface Output {
  isTTY?: boolean
  hasColors?(): boolean
  write(text: string): unknown
}

/** Lines of JSON, but for people on a terminal; written at once, so that none is lost when the process ends. */
export async function loggerFor(level: string, output: Output = process.stdout): Promise<LoggerSettings> {
  if (output.isTTY !== true) return { level }
  // Few processes have a terminal.
  const { prettyFactory } = (await import('pino-pretty')).default
  const shared = {
    colorize: output.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true
  }
  const others = prettyFactory(shared)
  const requests = prettyFactory({ ...shared, hideObject: true, messageFormat: log => summary(log as unknown as Line) })
  return {
    level,
    stream: {
      write(text) {
        const line = JSON.parse(text) as Line & { msg?: string }
        const format = line.msg === 'request' && line.method !== undefined ? requests : others
        // It leaves the line break out where it shows no object.
        output.write(`${format(line).trimEnd()}\n`)
      }
    }
  }
}

/** `GET example.org/path 200 12.3 ms → http://10.0.0.1:3000` */
export function summary({ method, host, url, status, duration, endpoint, attempts, code, cache, limit }: Line): string {
  const to = endpoint ?? attempts?.at(-1)
  const tried = attempts !== undefined && attempts.length > 1 ? `${attempts.length} attempts` : undefined
  const told = [code, cache && `cache ${cache}`, limit && `limit ${limit}`, tried].filter(Boolean)
  const where = `${method} ${host ?? ''}${url ?? ''} ${status}${duration === undefined ? '' : ` ${duration} ms`}`
  const text = `${where}${to === undefined ? '' : ` → ${to}`}${told.length === 0 ? '' : ` (${told.join(', ')})`}`
  // What a client wrote must not steer the terminal.
  return text.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  )
}
