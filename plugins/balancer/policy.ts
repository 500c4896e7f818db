import {
  type Balancer,
  type Endpoint,
  type EndpointFilter,
  OptionsError,
  type UpstreamRequest
} from '../../src/index.js'

/** A way to pick an endpoint. One that measures does so in a filter around each attempt, which the plugin adds. */
export interface Policy extends Balancer {
  filter?: EndpointFilter
}

/** What requests have in common that are to go to the same endpoint; undefined or '' for requests without one. */
export type Key = (request: UpstreamRequest) => string | undefined

/** A number from 0 up to, but not including, 1. */
export type Random = () => number

/** Milliseconds that never go back. */
export type Clock = () => number

export const now: Clock = () => performance.now()

/** Requests under way, with the one to come, by weight. */
export function pending({ pending, effectiveWeight }: Endpoint): number {
  return (pending + 1) / effectiveWeight
}

/** @throws OptionsError unless the option is a number in the range */
export function checkNumber(name: string, option: string, value: unknown, least: number, most = Infinity): void {
  if (typeof value === 'number' && value >= least && value <= most) return
  const range = most === Infinity ? `a number, at least ${least}` : `a number from ${least} to ${most}`
  throw new OptionsError(`balancer: ${name}: option ${option} is ${show(value)}, but must be ${range}`)
}

/** @throws OptionsError unless the option is a function */
export function checkFunction(name: string, option: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new OptionsError(`balancer: ${name}: option ${option} is ${show(value)}, but must be a function`)
}

/** @throws OptionsError unless it can be the name of a header or cookie */
export function checkToken(name: string, value: unknown): void {
  if (typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value)) return
  throw new OptionsError(`balancer: ${name}: option name is ${show(value)}, but must be a token of HTTP`)
}

/** @throws OptionsError when something is left that the policy does not have */
export function checkRest(name: string, rest: object): void {
  const [odd] = Object.keys(rest)
  if (odd !== undefined) throw new OptionsError(`balancer: ${name} has no option ${odd}`)
}

function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'function') return 'a function'
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
}
