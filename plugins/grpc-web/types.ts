/** How a call of gRPC-Web is written. */
export interface WebType {
  /** In base64. */
  text: boolean
  /** The codec: `+proto`, or nothing. */
  codec: string
}

/** Reads a media type; undefined when it is not gRPC-Web's. */
export function webType(type: string | undefined): WebType | undefined {
  if (type === undefined || !/^application\/grpc-web/i.test(type)) return undefined
  const match = /^application\/grpc-web(-text)?(\+[\w.-]+)?\s*(?:;|$)/i.exec(type)
  return match === null ? undefined : { text: match[1] !== undefined, codec: match[2] ?? '' }
}

export function nameOf({ text, codec }: WebType): string {
  return `application/grpc-web${text ? '-text' : ''}${codec}`
}
