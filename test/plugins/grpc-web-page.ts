/** Runs in a browser: the two clients of gRPC-Web that pages use, as one. */
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { GenService } from '@bufbuild/protobuf/codegenv2'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers, StringValueSchema } from '@bufbuild/protobuf/wkt'
import { ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcWebTransport } from '@connectrpc/connect-web'
import { GrpcWebClientBase, MethodDescriptor, MethodType } from 'grpc-web'

/** How a call ended. */
export interface Outcome {
  messages: string[]
  /** The status of gRPC, and what was said of it. */
  code: number
  text: string
  /** The field `x-end` behind the answer. */
  end: string | undefined
}

export type Call = (message: string, onMessage?: (message: string) => void) => Promise<Outcome>

export interface Calls {
  unary: Call
  /** A stream of the server. */
  count: Call
}

export type Client = 'connect-web' | 'grpc-web' | 'grpc-web-text'

/** What a client answers at that origin. With `next`, a second call is made when the first message has come. */
export function call(client: Client, url: string, method: keyof Calls, message: string, next?: string) {
  const calls = client === 'connect-web' ? connectWeb(url) : grpcWeb(url, client === 'grpc-web' ? 'binary' : 'text')
  let first = next !== undefined
  return calls[method](message, () => {
    if (first) void calls.unary(next as string)
    first = false
  })
}

/** The client of the gRPC project, over XMLHttpRequest: only its text format hands messages on as they come. */
function grpcWeb(url: string, format: 'binary' | 'text'): Calls {
  const client = new GrpcWebClientBase({ format })
  const method = (path: string): Call => {
    const name = `/test.Echo/${path}`
    const none = Object as never
    const descriptor = new MethodDescriptor<string, string>(
      name,
      MethodType.SERVER_STREAMING,
      none,
      none,
      encode,
      decode
    )
    return (message, onMessage) =>
      new Promise<Outcome>(resolve => {
        const messages: string[] = []
        const end = (code: number, text: string, fields: Record<string, string> = {}) =>
          resolve({ messages, code, text, end: fields['x-end'] })
        client
          .serverStreaming(url + name, message, { 'x-asked': 'yes' }, descriptor)
          .on('data', value => {
            messages.push(value)
            onMessage?.(value)
          })
          .on('error', ({ code, message, metadata }) => end(code, message, metadata))
          .on('status', ({ code, details, metadata }) => end(code, code === 0 ? '' : details, metadata))
      })
  }
  return { unary: method('Unary'), count: method('Count') }
}

function encode(value: string): Uint8Array {
  return toBinary(StringValueSchema, create(StringValueSchema, { value }))
}

function decode(bytes: Uint8Array): string {
  return fromBinary(StringValueSchema, bytes).value
}

type Method<Kind> = { methodKind: Kind; input: typeof StringValueSchema; output: typeof StringValueSchema }
type Echo = GenService<{ unary: Method<'unary'>; count: Method<'server_streaming'> }>

const types = { inputType: '.google.protobuf.StringValue', outputType: '.google.protobuf.StringValue' }
const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto',
  package: 'test',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Echo',
      method: [
        { name: 'Unary', ...types },
        { name: 'Count', ...types, serverStreaming: true }
      ]
    }
  ]
})
const echo = createFileRegistry(file, () => file_google_protobuf_wrappers).getService('test.Echo') as Echo

/** That of Connect, over fetch. */
function connectWeb(url: string): Calls {
  const client = createClient(echo, createGrpcWebTransport({ baseUrl: url }))
  const asked = async (
    receive: (got: Outcome, options: { headers: HeadersInit; onTrailer(fields: Headers): void }) => Promise<void>
  ): Promise<Outcome> => {
    const got: Outcome = { messages: [], code: 0, text: '', end: undefined }
    const note = (fields: Headers) => {
      got.end = fields.get('x-end') ?? undefined
    }
    try {
      await receive(got, { headers: { 'x-asked': 'yes' }, onTrailer: note })
    } catch (error) {
      const { code, rawMessage, metadata } = ConnectError.from(error)
      Object.assign(got, { code, text: rawMessage })
      note(metadata)
    }
    return got
  }
  return {
    unary: value =>
      asked(async ({ messages }, options) => void messages.push((await client.unary({ value }, options)).value)),
    count: (value, onMessage) =>
      asked(async ({ messages }, options) => {
        for await (const one of client.count({ value }, options)) {
          messages.push(one.value)
          onMessage?.(one.value)
        }
      })
  }
}
