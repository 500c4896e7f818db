import {
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  type Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  type UntypedServiceImplementation
} from '@grpc/grpc-js'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { type GatewayOptions, gateway } from '../src/index.js'
import { listen } from './helper.js'
import { cert, key } from './transport/certificate.js'

const same = (value: Buffer) => value

function method(path: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${path}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same
  }
}

/** Messages are what they are: bytes. */
export const echo = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  talk: method('Talk', true, true)
}

type Done = (error: ServiceError | null, value?: Buffer) => void

export interface EchoClient extends Client {
  unary(message: Buffer, metadata: Metadata, options: object, done: Done): ClientReadableStream<Buffer>
  collect(metadata: Metadata, options: object, done: Done): ClientWritableStream<Buffer>
  count(message: Buffer, metadata?: Metadata, options?: object): ClientReadableStream<Buffer>
  talk(metadata?: Metadata, options?: object): ClientDuplexStream<Buffer, Buffer>
}

const EchoClient = makeGenericClientConstructor(echo, 'Echo')

/** A server of gRPC; answers its port. */
export async function serve(t: Test, methods: UntypedServiceImplementation, secure = false): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  server.addService(echo, methods)
  const keys = [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }]
  const given = secure ? ServerCredentials.createSsl(null, keys) : ServerCredentials.createInsecure()
  t.teardown(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', given, (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })
}

export function client(t: Test, port: number, secure = false): EchoClient {
  const trusted: ChannelCredentials = secure ? credentials.createSsl(Buffer.from(cert)) : credentials.createInsecure()
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.enable_retries': 0 }
  const made = new EchoClient(`localhost:${port}`, trusted, options) as unknown as EchoClient
  t.teardown(() => made.close())
  return made
}

export interface World {
  options?: GatewayOptions
  upstream?: object
  secure?: boolean
  define?: (app: FastifyInstance) => void
}

/** A gateway in front of a server of gRPC; answers its port. */
export async function gatewayTo(
  t: Test,
  port: number,
  { options = {}, upstream: more = {}, secure = false, define }: World = {}
): Promise<number> {
  const app = gateway({ paths: 'strict', ...options })
  if (secure) app.secure({ cert, key })
  app.register(upstream, {
    endpoints: [secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`],
    transport: secure ? 'auto' : 'http2',
    ...(secure ? { tls: { ca: cert } } : {}),
    ...more
  })
  define?.(app)
  app.register(proxy)
  return listen(t, app)
}

export function unary(
  client: EchoClient,
  message: string | Buffer,
  metadata: Metadata,
  options: object = {}
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.unary(Buffer.from(message as string), metadata, options, (error, value) => {
      if (error === null) resolve(value as Buffer)
      else reject(error)
    })
  })
}
