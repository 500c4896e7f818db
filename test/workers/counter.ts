/** A service for tests: what all workers have counted. */
let sum = 0

export function add(number: number): number {
  sum += number
  return sum
}

export function fail(): never {
  throw new Error('it failed')
}
