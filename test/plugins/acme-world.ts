import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { get } from './tls-world.js'

const programs = ['/usr/bin/pebble', '/usr/bin/pebble-challtestsrv']

/** For tests that need them: why they are skipped. */
export const skip = programs.every(program => existsSync(program)) ? false : 'pebble is not installed (Debian: pebble)'

/** A directory of the test: tap removes it before or behind what the test tears down, whichever came first. */
export function folder(t: Test, content: Parameters<Test['testdir']>[0] = {}): string {
  t.teardown(() => {})
  return t.testdir(content)
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

export interface PebbleOptions {
  binding?: { kid: string; hmacKey: string }
}

/** An authority of the test's own, which finds all names at 127.0.0.1. */
export class Pebble {
  /** Where it looks for the hosts. */
  readonly http: number
  readonly https: number
  readonly directory: string
  /** A certificate for its own TLS, in PEM. */
  readonly ca: string
  readonly lines: string[] = []
  readonly #management: number
  readonly #told = new EventEmitter().setMaxListeners(0)

  private constructor(http: number, https: number, own: number, management: number, ca: string) {
    this.http = http
    this.https = https
    this.directory = `https://localhost:${own}/dir`
    this.#management = management
    this.ca = ca
  }

  static async start(t: Test, { binding }: PebbleOptions = {}): Promise<Pebble> {
    const ports = []
    for (let count = 0; count < 6; count++) ports.push(await freePort())
    const [http = 0, https = 0, own = 0, management = 0, dns = 0, names = 0] = ports
    const { cert, key } = selfSigned(['localhost', '127.0.0.1'])
    const pebble = new Pebble(http, https, own, management, cert)
    const at = folder(t, { 'cert.pem': cert, 'key.pem': key })
    const settings = {
      listenAddress: `127.0.0.1:${own}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: join(at, 'cert.pem'),
      privateKey: join(at, 'key.pem'),
      httpPort: http,
      tlsPort: https,
      ocspResponderURL: '',
      externalAccountBindingRequired: binding !== undefined,
      ...(binding && { externalAccountMACKeys: { [binding.kid]: binding.hmacKey } })
    }
    writeFileSync(join(at, 'pebble.json'), JSON.stringify({ pebble: settings }))
    pebble.#run(t, programs[1] as string, [
      ...['-dns01', `127.0.0.1:${dns}`, '-defaultIPv6', '', '-management', `127.0.0.1:${names}`],
      ...['-http01', '', '-https01', '', '-tlsalpn01', '']
    ])
    pebble.#run(t, programs[0] as string, ['-config', join(at, 'pebble.json'), '-dnsserver', `127.0.0.1:${dns}`])
    await pebble.says(/ACME directory available at/)
    return pebble
  }

  get issued(): number {
    return this.lines.filter(line => /Issued certificate serial/.test(line)).length
  }

  /** Resolves when so many lines say so. */
  async says(pattern: RegExp, count = 1): Promise<void> {
    while (this.lines.filter(line => pattern.test(line)).length < count) await once(this.#told, 'line')
  }

  /** What clients trust who trust it. */
  async root(): Promise<string> {
    const asked = request({ host: '127.0.0.1', port: this.#management, path: '/roots/0', ca: this.ca, agent: false })
    asked.end()
    const [response] = await once(asked, 'response')
    return text(response)
  }

  #run(t: Test, program: string, args: string[]): ChildProcess {
    const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '0' }
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    for (const output of [child.stdout, child.stderr]) {
      createInterface(output).on('line', line => {
        this.lines.push(line)
        this.#told.emit('line')
      })
    }
    return child
  }
}

/** Asks until what is served is of the authority. @returns the body of the answer */
export async function trusted(pebble: Pebble, servername: string): Promise<string> {
  const ca = await pebble.root()
  for (;;) {
    const got = await get(pebble.https, { servername, ca, rejectUnauthorized: true }).catch(() => undefined)
    if (got !== undefined) return got.body
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Resolves when a line of the log says so, behind the first `after` of them. */
export async function said(
  log: { all: Record<string, unknown>[] },
  pattern: RegExp,
  after = 0
): Promise<Record<string, unknown>> {
  for (;;) {
    const found = log.all.find(({ msg }, index) => index >= after && pattern.test(msg as string))
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
