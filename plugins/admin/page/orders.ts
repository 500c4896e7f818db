/** Told of what came of an order, in words. */
export type Tell = (message: string) => void

export interface Orders {
  drain(upstream: string, endpoint: string): Promise<void>
  resume(upstream: string, endpoint: string): Promise<void>
  unblock(upstream: string, endpoint: string, reasons: readonly string[]): Promise<void>
}

/** What the buttons do. */
export function orders(token: () => string | null, tell: Tell): Orders {
  const post = async (action: string, body: object): Promise<boolean> => {
    const given = token()
    const response = await fetch(`/upstreams/${action}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(given === null ? {} : { authorization: `Bearer ${given}` })
      },
      body: JSON.stringify(body)
    }).catch(() => undefined)
    if (response?.ok) return true
    const problem = (await response?.json().catch(() => undefined)) as { detail?: string } | undefined
    tell(problem?.detail ?? 'The gateway does not answer.')
    return false
  }
  return {
    async drain(upstream, endpoint) {
      if (await post('drain', { upstream, endpoint })) tell(`${endpoint} gets no new requests.`)
    },
    async resume(upstream, endpoint) {
      if (await post('resume', { upstream, endpoint })) tell(`${endpoint} gets requests again.`)
    },
    async unblock(upstream, endpoint, reasons) {
      for (const reason of reasons) if (!(await post('unblock', { upstream, endpoint, reason }))) return
      tell(`${endpoint} is no longer blocked.`)
    }
  }
}
