/** In a child process: tells the parent that we listen, answers its questions, and ends when the parent has gone. */
export function announce(port: number, questions: Record<string, () => unknown> = {}): void {
  process.on('message', async (message: { id: number; question: string }) => {
    process.send?.({ id: message.id, answer: await questions[message.question]?.() })
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ listening: port })
}

/** The origin that the parent gave this process to forward to. */
export function originUrl(): string {
  const url = process.argv[2]
  if (!url)
    throw new Error('this process is started by scripts/bench.ts or scripts/soak.ts, with the origin as argument')
  return url
}
