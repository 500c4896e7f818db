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
}

export type Command = { name: 'help' } | { name: 'version' } | RunCommand

export const help = `Usage: headgate [options] [app-file]

Runs the gateway that the app file describes: a .js, .mjs or .ts module whose default export is a
function (app) => void, which registers plugins and routes on a new gateway, or an app of its own.
Without an app file: a proxy to HEADGATE_UPSTREAM, or else to three demo origins.

Options:
  --host HOST        the address to listen on                 (HOST, default 127.0.0.1)
  --port PORT        the port to listen on, 0 for any free    (PORT, default 8080)
  --log-level LEVEL  ${logLevels.join(' ')}
                     (LOG_LEVEL, default info; an app of its own brings its own logger)
  --check            load the app file, print its routes and plugins, and exit without listening
  -h, --help         print this
  -v, --version      print the version

Environment:
  HOST, PORT, LOG_LEVEL   as above; options win
  HEADGATE_UPSTREAM       the endpoints of the built-in app, such as http://10.0.0.1:3000,http://10.0.0.2:3000
`

/** Reads the command line and the environment; throws an OptionsError that names the mistake and what is allowed. */
export function parse(argv: readonly string[], env: NodeJS.ProcessEnv): Command {
  const { values, positionals } = readArguments(argv)
  // Asked for help, one gets help, however wrong the rest is.
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  if (positionals.length > 1) {
    throw new OptionsError(
      `one app file at most, not ${positionals.length} (${positionals.join(', ')}); see headgate --help`
    )
  }
  const setting = (flag: 'host' | 'port' | 'log-level', variable: string, fallback: string) => {
    if (values[flag] !== undefined) return { source: `--${flag}`, value: values[flag] }
    // `PORT= npm start` and an empty entry of an env file mean "not set".
    return { source: variable, value: env[variable] || fallback }
  }
  return {
    name: 'run',
    file: positionals[0],
    // Not 0.0.0.0: nobody should publish a gateway by trying it. Not localhost: Fastify binds a second server for ::1,
    // which does not get the settings made on `app.server`.
    host: readHost(setting('host', 'HOST', '127.0.0.1')),
    port: readPort(setting('port', 'PORT', '8080')),
    logLevel: readLogLevel(setting('log-level', 'LOG_LEVEL', 'info')),
    check: values.check ?? false
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
