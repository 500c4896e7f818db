/** Bytes of a slab. */
const size = 65_536
/** Larger bodies have an allocation of their own. */
export const slabLimit = 4_096

/** Who has bytes in a slab, and is told where they are. */
export interface Tenant {
  /** It keeps this when it leaves: whoever has found it may still read it. */
  slab: Slab | undefined
  left: boolean
  offset: number
  length: number
}

export interface Slab {
  readonly bytes: Buffer
  used: number
  live: number
  tenants: Tenant[]
}

/**
 * Small bodies side by side in larger pieces: a Buffer of its own costs each of them some 350 bytes.
 *
 * Nothing is written twice to one place, so that whoever still sends a body that has been removed is not disturbed. A slab
 * that is half empty is left by moving the others out of it.
 */
export class Slabs {
  #open: Slab | undefined
  /** Bytes of all slabs, the gaps in them included. */
  bytes = 0

  /** Copies a body in. @param body at most `slabLimit` bytes */
  put(tenant: Tenant, body: Buffer): void {
    let slab = this.#open
    if (slab === undefined || slab.used + body.length > size) {
      const full = slab
      slab = { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0, tenants: [] }
      this.#open = slab
      this.bytes += size
      if (full !== undefined) this.#compact(full)
    }
    body.copy(slab.bytes, slab.used)
    tenant.slab = slab
    tenant.offset = slab.used
    tenant.length = body.length
    slab.used += body.length
    slab.live += body.length
    slab.tenants.push(tenant)
  }

  remove(tenant: Tenant): void {
    const { slab } = tenant
    if (slab === undefined || tenant.left) return
    tenant.left = true
    slab.live -= tenant.length
    if (slab !== this.#open) this.#compact(slab)
  }

  /** Half of a slab at most lies idle. */
  #compact(slab: Slab): void {
    if (slab.live > size / 2) return
    this.bytes -= size
    const { bytes, tenants } = slab
    slab.tenants = []
    // What is moved must not come here again.
    slab.live = Number.POSITIVE_INFINITY
    for (const tenant of tenants) {
      if (tenant.slab === slab && !tenant.left)
        this.put(tenant, bytes.subarray(tenant.offset, tenant.offset + tenant.length))
    }
  }
}
