import { parseArgs } from 'node:util'

const help = `Usage: npm run restarts -- [options]
  --reloads N     (100)
  --upgrades N    (10)
  --workers N     processes that serve; 1: no workers (2)
  --rate N        requests a second (500)`

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`)
}

export function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean' },
      reloads: { type: 'string', default: '100' },
      upgrades: { type: 'string', default: '10' },
      workers: { type: 'string', default: '2' },
      rate: { type: 'string', default: '500' }
    }
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  return {
    reloads: whole('reloads', values.reloads, 0, 100_000),
    upgrades: whole('upgrades', values.upgrades, 0, 100_000),
    workers: whole('workers', values.workers, 1, 64),
    rate: whole('rate', values.rate, 1, 10_000)
  }
}
