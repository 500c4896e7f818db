import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { gateway } from '../../src/index.js'
import { lines } from '../ask.js'

/** Certificates that openssl makes in a directory of the test. */
export class Pki {
  readonly directory: string

  constructor(t: Test) {
    this.directory = t.testdir({ serial: '01\n', index: '', 'index.attr': '' })
    const at = (name: string) => join(this.directory, name)
    writeFileSync(
      at('ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${at('index')}\nserial=${at('serial')}\nnew_certs_dir=${this.directory}\ndefault_md=sha256\ndefault_crl_days=30\npolicy=p\n[p]\ncommonName=supplied\n`
    )
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** `NAME.crt` and `NAME.key`, self-signed. */
  self(name: string, hosts: string[], key: 'ec' | 'rsa' = 'ec'): { cert: string; key: string } {
    const san = hosts.map(host => `DNS:${host}`).join()
    this.#openssl(`req -x509 ${keys[key]} -noenc -keyout ${name}.key -out ${name}.crt -days 90 -subj /CN=${name}`, [
      '-addext',
      `subjectAltName=${san}`
    ])
    return { cert: this.path(`${name}.crt`), key: this.path(`${name}.key`) }
  }

  /** An authority that others are signed by. */
  authority(name: string): string {
    this.#openssl(`req -x509 ${keys.ec} -noenc -keyout ${name}.key -out ${name}.crt -days 90 -subj /CN=${name}`)
    return this.path(`${name}.crt`)
  }

  /** A client's certificate of an authority; `issues`: one that signs others, too. */
  client(authority: string, name: string, issues = false): { cert: string; key: string } {
    const extension = issues ? ['-addext', 'basicConstraints=critical,CA:TRUE'] : []
    this.#openssl(`req ${keys.ec} -noenc -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`, extension)
    this.#openssl(
      `x509 -req -in ${name}.csr -CA ${authority}.crt -CAkey ${authority}.key -CAcreateserial -copy_extensions copy -out ${name}.crt -days 30`
    )
    return { cert: this.path(`${name}.crt`), key: this.path(`${name}.key`) }
  }

  /** Somebody else by the name of an authority, signed by a third: `NAME.crt`. */
  namesake(name: string, authority: string): void {
    this.#openssl(`req ${keys.ec} -noenc -keyout ${name}.key -out ${name}.csr -subj /CN=${authority}`)
    this.#openssl(`req -x509 ${keys.ec} -noenc -keyout other.key -out other.crt -subj /CN=other`)
    this.#openssl(`x509 -req -in ${name}.csr -CA other.crt -CAkey other.key -CAcreateserial -out ${name}.crt`)
  }

  /** One that has expired long ago. */
  expiredClient(authority: string, name: string): { cert: string; key: string } {
    this.#openssl(`req ${keys.ec} -noenc -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`)
    this.#openssl(
      `ca -batch -notext -config ca.cnf -cert ${authority}.crt -keyfile ${authority}.key -startdate 20200101000000Z -enddate 20200201000000Z -in ${name}.csr -out ${name}.crt`
    )
    return { cert: this.path(`${name}.crt`), key: this.path(`${name}.key`) }
  }

  revoke(authority: string, name: string): void {
    this.#openssl(`ca -config ca.cnf -cert ${authority}.crt -keyfile ${authority}.key -revoke ${name}.crt`)
  }

  /** The list of those revoked so far. */
  list(authority: string): string {
    this.#openssl(`ca -config ca.cnf -cert ${authority}.crt -keyfile ${authority}.key -gencrl -out ${authority}.crl`)
    return this.path(`${authority}.crl`)
  }

  pfx(name: string, passphrase: string): string {
    this.#openssl(`pkcs12 -export -in ${name}.crt -inkey ${name}.key -out ${name}.pfx -passout pass:${passphrase}`)
    return this.path(`${name}.pfx`)
  }

  encrypt(name: string, passphrase: string): string {
    this.#openssl(`pkey -in ${name}.key -aes256 -passout pass:${passphrase} -out ${name}.secret.key`)
    return this.path(`${name}.secret.key`)
  }

  #openssl(command: string, more: string[] = []): void {
    execFileSync('openssl', [...command.split(' '), ...more], { cwd: this.directory, stdio: 'pipe' })
  }
}

const keys = { ec: '-newkey ec -pkeyopt ec_paramgen_curve:P-256', rsa: '-newkey rsa:2048' }

export type Log = ReturnType<typeof lines>

/** A gateway whose log is kept, at all levels. */
export function world(): { app: FastifyInstance; log: Log } {
  const log = lines()
  return { app: gateway({ logger: { level: 'debug', stream: log } }), log }
}

export async function listen(t: Test, app: FastifyInstance): Promise<number> {
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** A connection whose handshake is over; a client of TLS 1.3 believes so before the server does. */
export async function dial(t: Test, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, servername: '', ...options })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** What went wrong, as OpenSSL says it, or `closed`; undefined: nothing, within a request. */
export async function failure(port: number, options: Asking = {}): Promise<string | undefined> {
  try {
    const { answer } = await get(port, options)
    return answer === '' ? 'closed' : undefined
  } catch (error) {
    return (error as Error).message
  }
}

export interface Got {
  answer: string
  status: number
  body: string
  /** The common name of the certificate that was shown. */
  shown: string
  /** Of the certificate; a session that is resumed has none. */
  fingerprint: string | undefined
  resumed: boolean
  /** For the next connection. */
  session: Buffer | undefined
  protocol: string | null
}

export interface Asking extends ConnectionOptions {
  path?: string
  /** The Host field. */
  to?: string
  fields?: string
}

/** One request on a connection of its own. */
export async function get(port: number, { path = '/', to, fields = '', ...options }: Asking = {}): Promise<Got> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, servername: '', ...options })
  let session: Buffer | undefined
  socket.on('session', given => {
    session = given
  })
  let shown = ''
  let fingerprint: string | undefined
  let protocol: string | null = null
  let resumed = false
  socket.on('secureConnect', () => {
    shown = /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1] ?? ''
    fingerprint = socket.getPeerX509Certificate()?.fingerprint256
    protocol = socket.getProtocol()
    resumed = socket.isSessionReused()
  })
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${to ?? (options.servername || 'localhost')}\r\nConnection: close\r\n${fields}\r\n`
  )
  const answer = await text(socket)
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return { answer, status: Number(head.split(' ')[1]), body, shown, fingerprint, resumed, session, protocol }
}

/** What the gateway keeps of a message, once it has it. */
export async function said(log: Log, pattern: RegExp): Promise<Record<string, unknown>> {
  for (;;) {
    const found = log.all.find(({ msg }) => pattern.test(msg as string))
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
