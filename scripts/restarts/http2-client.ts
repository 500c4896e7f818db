import { type ClientHttp2Session, connect, constants } from 'node:http2'

export interface Answer {
  status: number | undefined
  text: string
}

/** One connection of HTTP/2 at a time, with many requests at once; another one when the server says goodbye. */
export class Http2Client {
  readonly #address: string
  #session: ClientHttp2Session | undefined
  /** Connections so far. */
  connections = 0

  constructor(port: number) {
    this.#address = `http://127.0.0.1:${port}`
  }

  /** What the server has refused unprocessed is sent again (RFC 9113 §8.7). */
  async ask(path: string): Promise<Answer> {
    for (;;) {
      const answer = await this.#send(path)
      if (answer !== 'refused') return answer
    }
  }

  close(): void {
    this.#session?.close()
  }

  #send(path: string): Promise<Answer | 'refused'> {
    const stream = this.#open().request({ ':path': path })
    return new Promise((resolve, reject) => {
      let status: number | undefined
      let text = ''
      stream.setEncoding('utf8')
      stream.on('response', headers => {
        status = headers[':status']
      })
      stream.on('data', chunk => {
        text += chunk
      })
      stream.on('error', error => {
        if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) resolve('refused')
        else reject(error)
      })
      stream.on('end', () => {
        if (stream.rstCode === constants.NGHTTP2_NO_ERROR) resolve({ status, text })
      })
      stream.on('close', () => reject(new Error(`closed with code ${stream.rstCode}`)))
      stream.end()
    })
  }

  #open(): ClientHttp2Session {
    const before = this.#session
    if (before !== undefined && !before.closed && !before.destroyed) return before
    const session = connect(this.#address)
    // Its streams tell of it.
    session.on('error', () => {})
    this.#session = session
    this.connections++
    return session
  }
}
