/**
 * What was ordered by hand, in the one instance that all workers share (`app.workers.ask`): a worker that takes another
 * one's place, or an app that is loaded anew, is told of it.
 * @module
 */

/** What holds for an endpoint until it is ordered otherwise. */
export interface Order {
  upstream: string
  endpoint: string
  drain?: boolean
  /** Why it is blocked; null: not by hand. */
  block?: string | null
  /** null: the one it came with. */
  weight?: number | null
}

/** Beyond, the oldest are forgotten. */
export const mostOrders = 10_000

/** By the admin's own address: there may be several gateways in one process. */
const books = new Map<string, Map<string, Order>>()

/** @returns all that holds for the endpoint now */
export function give(admin: string, order: Order): Order {
  let book = books.get(admin)
  if (book === undefined) {
    book = new Map()
    books.set(admin, book)
  }
  const key = `${order.upstream} ${order.endpoint}`
  const whole = { ...book.get(key), ...order }
  book.delete(key)
  if (whole.drain || typeof whole.block === 'string' || typeof whole.weight === 'number') book.set(key, whole)
  if (book.size > mostOrders) book.delete(book.keys().next().value as string)
  return whole
}

export function all(admin: string): Order[] {
  return [...(books.get(admin)?.values() ?? [])]
}
