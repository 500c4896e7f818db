import { parseArgs } from 'node:util'
import { type Scenario, scenarios } from './scenarios.js'

export interface Options {
  install: boolean
  only: string[] | undefined
  scenarios: readonly Scenario[]
  rounds: number
  seconds: number
  warmup: number
  json: string
  svg: string
  transport: string | undefined
}

const help = `Usage: npm run bench -- [options]
  --install            get nginx, haproxy, caddy, wrk, h2load and openssl by apt-get first
  --only a,b           these peers only, such as headgate-two,headgate-ring for the cost of the ring
  --scenarios a,b      these scenarios only: ${scenarios.map(({ name }) => name).join(', ')}
  --rounds N           rounds, of which the median is shown (5)
  --seconds N          counted seconds a run (3)
  --warmup N           seconds of load before counting (2)
  --transport NAME     http1 or undici, for headgate
  --json FILE          (bench/results.json)
  --svg FILE           (bench/chart.svg)
  --quick              one round of one second, one second of warm-up`

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, not "${text}"`)
  return value
}

export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean' },
      install: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      scenarios: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      warmup: { type: 'string' },
      transport: { type: 'string' },
      json: { type: 'string', default: 'bench/results.json' },
      svg: { type: 'string', default: 'bench/chart.svg' }
    }
  })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  const wanted = values.scenarios?.split(',')
  const unknown = wanted?.find(name => !scenarios.some(scenario => scenario.name === name))
  if (unknown) throw new Error(`no scenario is named "${unknown}"`)
  return {
    install: values.install,
    only: values.only?.split(','),
    scenarios: scenarios.filter(({ name }) => wanted?.includes(name) ?? true),
    rounds: whole('rounds', values.rounds ?? (values.quick ? '1' : '5')),
    seconds: whole('seconds', values.seconds ?? (values.quick ? '1' : '3')),
    warmup: whole('warmup', values.warmup ?? (values.quick ? '1' : '2')),
    json: values.json,
    svg: values.svg,
    transport: values.transport
  }
}
