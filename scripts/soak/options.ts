import { parseArgs } from 'node:util'

export interface Options {
  requests: number
  aborts: number
  idle: number
}

const help = `Usage: npm run soak -- [options]
  --requests N   requests to send over 50 connections (1,000,000)
  --aborts N     requests to break off at every stage (10,000)
  --idle N       idle connections to hold open at the end (5,000)`

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} must be a whole number, not "${text}"`)
  return value
}

export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean' },
      requests: { type: 'string', default: '1000000' },
      aborts: { type: 'string', default: '10000' },
      idle: { type: 'string', default: '5000' }
    }
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  return {
    requests: whole('requests', values.requests),
    aborts: whole('aborts', values.aborts),
    idle: whole('idle', values.idle)
  }
}
