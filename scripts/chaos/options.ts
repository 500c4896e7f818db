import { parseArgs } from 'node:util'
import { type Scenario, scenarios } from './scenarios.js'

export interface Options {
  scenarios: readonly Scenario[]
  seconds: number
  rate: number
  seed: number
}

const help = `Usage: npm run chaos -- [options]
  --scenario a,b   these only, or all that begin so, such as slow (all of them):
                   ${scenarios.map(({ name }) => name).join(', ')}
  --seconds N      how long each lasts, from 8 (20)
  --rate N         requests a second, up to 5,000 (500)
  --seed N         repeats the events of another run, which has told its seed (random)`

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`)
}

/** `slow` stands for all that begin with it. */
function named({ name }: Scenario, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}-`)
}

export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean' },
      scenario: { type: 'string' },
      seconds: { type: 'string', default: '20' },
      rate: { type: 'string', default: '500' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) }
    }
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  const wanted = values.scenario?.split(',')
  const unknown = wanted?.find(name => !scenarios.some(scenario => named(scenario, name)))
  if (unknown !== undefined) throw new Error(`no scenario is named "${unknown}"`)
  return {
    scenarios: scenarios.filter(scenario => wanted?.some(name => named(scenario, name)) ?? true),
    seconds: whole('seconds', values.seconds, 8, 86_400),
    rate: whole('rate', values.rate, 1, 5_000),
    seed: whole('seed', values.seed, 0, 4_294_967_295)
  }
}
