/** A module that runs once for the whole gateway: each export is a function that workers may call. */
type Service = Record<string, (...args: never[]) => unknown>

const services = new Map<string, Promise<Service>>()

/** Calls an export of a module in this process, which is the primary, or the only one. */
export async function call(service: string, method: string, args: unknown[]): Promise<unknown> {
  let loaded = services.get(service)
  if (loaded === undefined) {
    loaded = import(service) as Promise<Service>
    services.set(service, loaded)
  }
  const { [method]: handler } = await loaded
  if (typeof handler !== 'function') throw new Error(`${service} exports no function ${method}`)
  return handler(...(args as never[]))
}
