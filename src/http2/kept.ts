import { ServerResponse } from 'node:http'

/** What node:http keeps of an answer; `_header` is what it knows by that the head is made. */
export interface Kept {
  _header: string | null
  _hasBody: boolean
  _closed: boolean
  finished: boolean
  [key: symbol]: unknown
}

/** Where node:http keeps the fields that were set; null until one is. */
export const kSet = Object.getOwnPropertySymbols(new ServerResponse({} as never)).find(
  ({ description }) => description === 'kOutHeaders'
)

/** What node:http throws for a second head. */
export function sent(): Error {
  const message = 'Cannot write headers after they are sent to the client'
  return Object.assign(new Error(message), { code: 'ERR_HTTP_HEADERS_SENT' })
}
