import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { OptionsError } from './errors.js'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** To run, or with `check` only to look at, one gateway. */
export interface RunCommand {
  name: 'run'
  /** The app file as it was written; the built-in app when undefined. */
  file: string | undefined
  host: string
  port: number
  logLevel: LogLevel
  check: boolean
  /** With a certificate that is made up. */
  tlsSelfSigned: boolean
  /** Processes that serve; 1: this one alone. */
  workers: number
  /** MiB of memory above which a worker is replaced; 0: no limit. */
  workerMemory: number
  /** Seconds after which a worker that stands still is replaced; 0: never. */
  workerTimeout: number
}

/** To a gateway that runs. */
export interface SignalCommand {
  name: 'reload' | 'upgrade'
  pid: number
}

export type Command = { name: 'help' } | { name: 'version' } | SignalCommand | RunCommand

export const help = `Usage: headgate [options] [app-file]
       headgate reload PID     loads the app file anew, as SIGHUP does
       headgate upgrade PID    a new process takes over, as with SIGUSR2

Runs the gateway that the app file describes: a .js, .mjs or .ts module whose default export is a
function (app) => void, which registers plugins and routes on a new gateway, or an app of its own.
Without an app file: a proxy to HEADGATE_UPSTREAM, or else to three demo origins.

Options:
  --host HOST        the address to listen on                 (HOST, default 127.0.0.1)
  --port PORT        the port to listen on, 0 for any free    (PORT, default 8080)
  --log-level LEVEL  ${logLevels.join(' ')}
                     (LOG_LEVEL, default info; an app of its own brings its own logger)
  --workers N        processes that serve                     (WORKERS, default one a core; 1 without an app
                     file and HEADGATE_UPSTREAM)
  --worker-memory M  MiB above which a worker is replaced, 0: no limit   (WORKER_MEMORY, default 0)
  --worker-timeout S seconds after which a worker that stands still is replaced, 0: never
                     (WORKER_TIMEOUT, default 30)
  --tls-self-signed  for a try: https (and HTTP/2) with a certificate that is made up
  --check            load the app file, print its routes and plugins, and exit without listening
  -h, --help         print this
  -v, --version      print the version

Environment:
  HOST, PORT, …           as above; options win
  HEADGATE_UPSTREAM       the endpoints of the built-in app, such as http://10.0.0.1:3000,http://10.0.0.2:3000
`

/** Reads the command line and the environment; throws an OptionsError that names the mistake and what is allowed. */
export function parse(argv: readonly string[], env: NodeJS.ProcessEnv): Command {
  const { values, positionals } = readArguments(argv)
  // Asked for help, one gets help, however wrong the rest is.
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  const [first, second] = positionals
  if ((first === 'reload' || first === 'upgrade') && positionals.length === 2) {
    return { name: first, pid: readPid(first, second as string) }
  }
  if (positionals.length > 1) {
    throw new OptionsError(
      `one app file at most, not ${positionals.length} (${positionals.join(', ')}); see headgate --help`
    )
  }
  const setting = (
    flag: Exclude<keyof typeof values, 'check' | 'help' | 'tls-self-signed' | 'version'>,
    variable: string,
    fallback: string
  ) => {
    if (values[flag] !== undefined) return { source: `--${flag}`, value: values[flag] }
    // `PORT= npm start` and an empty entry of an env file mean "not set".
    return { source: variable, value: env[variable] || fallback }
  }
  // The demo origins are in the process of the gateway.
  const demo = first === undefined && !env.HEADGATE_UPSTREAM
  const cores = String(demo ? 1 : availableParallelism())
  return {
    name: 'run',
    file: first,
    // Not 0.0.0.0: nobody should publish a gateway by trying it. Not localhost: Fastify binds a second server for ::1,
    // which does not get the settings made on `app.server`.
    host: readHost(setting('host', 'HOST', '127.0.0.1')),
    port: readPort(setting('port', 'PORT', '8080')),
    logLevel: readLogLevel(setting('log-level', 'LOG_LEVEL', 'info')),
    check: values.check ?? false,
    tlsSelfSigned: values['tls-self-signed'] ?? false,
    workers: readCount(setting('workers', 'WORKERS', cores), 1, 1_024),
    workerMemory: readCount(setting('worker-memory', 'WORKER_MEMORY', '0'), 0, 1_048_576),
    workerTimeout: readCount(setting('worker-timeout', 'WORKER_TIMEOUT', '30'), 0, 86_400)
  }
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        host: { type: 'string' },
        port: { type: 'string' },
        'log-level': { type: 'string' },
        workers: { type: 'string' },
        'worker-memory': { type: 'string' },
        'worker-timeout': { type: 'string' },
        'tls-self-signed': { type: 'boolean' },
        check: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' }
      }
    })
  } catch (error) {
    // Node's message goes on, after the first sentence or line, about ways to write positionals.
    const [sentence = ''] = (error as Error).message.split(/\. |\n/)
    throw new OptionsError(`${sentence.replace(/^./, letter => letter.toLowerCase())}; see headgate --help`)
  }
}

interface Setting {
  source: string
  value: string
}

function readHost({ source, value }: Setting): string {
  if (value.trim() === '' || /[\s/]/.test(value)) {
    throw new OptionsError(`${source} must be an address or a name of this machine such as 127.0.0.1, not '${value}'`)
  }
  // `[::1]` is how it stands in a URL.
  return value.replace(/^\[(.*)\]$/, '$1')
}

function readPort({ source, value }: Setting): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) {
    throw new OptionsError(`${source} must be a whole number from 0 to 65535, not '${value}'`)
  }
  return Number(value)
}

function readCount({ source, value }: Setting, least: number, most: number): number {
  if (!/^\d{1,7}$/.test(value) || Number(value) < least || Number(value) > most) {
    throw new OptionsError(`${source} must be a whole number from ${least} to ${most}, not '${value}'`)
  }
  return Number(value)
}

function readPid(command: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new OptionsError(`headgate ${command} needs the number of a process, not '${text}'`)
}

function readLogLevel({ source, value }: Setting): LogLevel {
  const level = logLevels.find(level => level === value.toLowerCase())
  if (level === undefined) throw new OptionsError(`${source} must be one of ${logLevels.join(', ')}, not '${value}'`)
  return level
}

/** Says what kept the gateway from listening and what to do about it; any other error is returned as it is. */
export function explainListen(error: Error & { code?: string }, { host, port }: { host: string; port: number }): Error {
  const explain = (message: string) => new OptionsError(message, { cause: error })
  switch (error.code) {
    case 'EADDRINUSE':
      return explain(
        `port ${port} of ${host} is in use; stop what listens there, or choose another with --port or PORT`
      )
    case 'EACCES':
      return explain(`no permission to listen on port ${port} of ${host}; choose one from 1024 up with --port or PORT`)
    case 'EADDRNOTAVAIL':
      return explain(`${host} is not an address of this machine; choose another with --host or HOST, such as 127.0.0.1`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return explain(`the host '${host}' cannot be resolved; give an address with --host or HOST, such as 127.0.0.1`)
    case 'FST_ERR_REOPENED_SERVER':
    case 'ERR_SERVER_ALREADY_LISTEN':
      return explain('the app file calls app.listen() itself; leave that to headgate, or run the file with node')
    default:
      return error
  }
}
