import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type Sampler,
  type SpanProcessor
} from '@opentelemetry/sdk-trace-base'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { Test } from 'tap'

/** As an app does it: propagators of W3C and a context manager. Its spans go nowhere; each test has a provider of its own. */
new NodeTracerProvider().register()

export const server = 2
export const client = 3
export const failed = 2

/** A span as it arrived, its attributes as one object. */
export interface Received {
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId?: string
  traceState?: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  status: { code: number; message?: string }
  attributes: Record<string, unknown>
}

interface Attribute {
  key: string
  value: { stringValue?: string; intValue?: number; boolValue?: boolean }
}

interface Export {
  resourceSpans: { scopeSpans: { spans: (Omit<Received, 'attributes'> & { attributes: Attribute[] })[] }[] }[]
}

/** Receives OTLP over HTTP, as a collector does. */
async function receiver(t: Test): Promise<{ url: string; spans: Received[] }> {
  const spans: Received[] = []
  const collector = createServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as Export
    for (const { scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const attributes = Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
        spans.push({ ...span, attributes })
      }
    }
    response.setHeader('content-type', 'application/json').end('{}')
  })
  await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    collector.closeAllConnections()
    collector.close()
  })
  return { url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`, spans }
}

/** Counts spans: each that was started is to be ended. */
class Counter extends EventEmitter implements SpanProcessor {
  started = 0
  ended = 0

  onStart(): void {
    this.started++
    this.emit('start')
  }

  onEnd(): void {
    this.ended++
    this.emit('end')
  }

  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

export interface Telemetry {
  provider: BasicTracerProvider
  counter: Counter
  /** Options for the plugin. */
  own: { provider: () => BasicTracerProvider }
  /** What arrived, once so many spans have ended and none is open; by their ends. */
  spans(count: number): Promise<Received[]>
}

/** An SDK that exports to a receiver. */
export async function telemetry(t: Test, sampler?: Sampler): Promise<Telemetry> {
  const { url, spans } = await receiver(t)
  const counter = new Counter()
  const provider = new BasicTracerProvider({
    ...(sampler === undefined ? {} : { sampler }),
    spanProcessors: [counter, new BatchSpanProcessor(new OTLPTraceExporter({ url }))]
  })
  t.teardown(() => provider.shutdown())
  return {
    provider,
    counter,
    own: { provider: () => provider },
    spans: async count => {
      while (counter.ended < count || counter.ended < counter.started) await once(counter, 'end')
      await provider.forceFlush()
      return spans.toSorted((one, other) => Number(BigInt(one.endTimeUnixNano) - BigInt(other.endTimeUnixNano)))
    }
  }
}

/** The one span of this kind. */
export function only(spans: readonly Received[], kind: number): Received {
  const found = spans.filter(span => span.kind === kind)
  if (found.length !== 1) throw new Error(`there are ${found.length} spans of kind ${kind}`)
  return found[0] as Received
}
