/** The part of a Fastify instance that `listen` needs; the gateway is one too. */
interface Listening {
  listen(options: { port: number; host: string }): Promise<string>
}

/** Listens on a port of the system's choice and returns it. */
export async function listen(app: Listening): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}
