import { setTimeout as wait } from 'node:timers/promises'
import type { Authorization, Client, Order } from 'acme-client'
import type { Acme } from './api.js'
import type { Challenges } from './challenges.js'
import { AcmeError, problemError } from './error.js'
import { newKey } from './key.js'
import type { AcmeOptions } from './options.js'
import { check } from './storage.js'
import type { Pair, Wanted } from './wanted.js'

export interface Ordering extends Pick<AcmeOptions, 'challenge' | 'keyType'> {
  acme: Acme
  client: Client
  challenges: Challenges
  /** Resolves when all workers can answer what is in `challenges`, or no longer do. */
  announce(): Promise<void>
  /** Milliseconds that the authority has just asked to wait for; 0: none. */
  retryAfter(): number
  /** The hosts are proven: from here on it is a matter of seconds. */
  onProven(): void
  signal: AbortSignal
}

/** Milliseconds between questions, unless the authority says otherwise. */
const soonest = 500
const latest = 10_000

/** @throws AcmeError saying what went wrong; the reason of the signal when it is aborted */
export async function order(wanted: Wanted, ordering: Ordering): Promise<Pair> {
  const { acme, client, keyType, onProven } = ordering
  const identifiers = wanted.hosts.map(value => ({ type: 'dns', value }))
  let placed = await client.createOrder({ identifiers })
  await prove(placed, ordering)
  onProven()
  placed = await poll(ordering, () => client.getOrder(placed), waiting('pending', 'processing'))
  fault(placed)
  const key = await newKey(keyType)
  if (placed.status === 'ready') {
    const [, csr] = await acme.crypto.createCsr({ altNames: [...wanted.hosts] }, key)
    placed = await client.finalizeOrder(placed, csr)
  }
  placed = await poll(ordering, () => client.getOrder(placed), waiting('ready', 'processing'), placed)
  fault(placed)
  const chain = await client.getCertificate(placed)
  const pair = { key, chain }
  const x509 = check(pair, 'the answer of the authority')
  const missing = wanted.hosts.find(host => x509.checkHost(host) === undefined)
  if (missing !== undefined) throw new AcmeError(`the certificate from the authority is not for ${missing}`)
  return pair
}

async function prove(placed: Order, ordering: Ordering): Promise<void> {
  const { announce, challenges, client } = ordering
  const open = (await client.getAuthorizations(placed)).filter(({ status }) => status !== 'valid')
  if (open.length === 0) return
  try {
    const chosen = []
    for (const authorization of open) chosen.push(await present(authorization, ordering))
    await announce()
    for (const challenge of chosen) await client.completeChallenge(challenge)
    const answer = () => client.getAuthorizations(placed)
    const done = await poll(ordering, answer, all => all.some(({ status }) => status === 'pending'))
    for (const { challenges: all, identifier, status } of done) {
      if (status === 'valid') continue
      const { error } = all.find(({ error }) => error !== undefined) ?? {}
      throw problemError(`${identifier.value} could not be proven`, error)
    }
  } finally {
    await challenges.clear()
    void announce()
  }
}

type Challenge = Authorization['challenges'][number]

async function present(
  authorization: Authorization,
  { acme, challenge, challenges, client }: Ordering
): Promise<Challenge> {
  const { challenges: offered, identifier } = authorization
  const found = offered.find(({ type }) => type === (challenge as string))
  if (found === undefined) {
    const types = offered.map(({ type }) => type).join(', ')
    throw new AcmeError(`the authority does not offer ${challenge} for ${identifier.value}, but ${types || 'nothing'}`)
  }
  const proof = await client.getChallengeKeyAuthorization(found)
  if (challenge === 'http-01') await challenges.addToken(found.token, proof)
  else {
    const [key, cert] = await acme.crypto.createAlpnCertificate(authorization, proof, await newKey('ecdsa-p256'))
    await challenges.addAlpn({ host: identifier.value, cert: cert.toString(), key: key.toString() })
  }
  return found
}

function waiting(...states: Order['status'][]): (order: Order) => boolean {
  return ({ status }) => states.includes(status)
}

function fault({ error, identifiers, status }: Order): void {
  if (status === 'invalid')
    throw problemError(`the order for ${identifiers.map(({ value }) => value)} has failed`, error)
}

/** Asks until the answer is no longer one to wait for. */
async function poll<T>(
  { retryAfter, signal }: Ordering,
  ask: () => Promise<T>,
  pending: (answer: T) => boolean,
  first?: T
): Promise<T> {
  let answer = first ?? (await ask())
  for (let delay = soonest; pending(answer); delay = Math.min(latest, delay * 1.5)) {
    await wait(Math.min(latest, retryAfter() || delay), undefined, { signal, ref: false })
    answer = await ask()
  }
  return answer
}
