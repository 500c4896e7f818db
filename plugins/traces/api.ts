import { createRequire } from 'node:module'
import { OptionsError } from '../../src/index.js'

type Api = typeof import('@opentelemetry/api')

/** The API of OpenTelemetry: a peer dependency, so that app and plugin share the one copy that the SDK registers with. */
export const api: Api = load()

/** Not an import: only what is asked for at run time can be missed in words. */
function load(): Api {
  try {
    return createRequire(import.meta.url)('@opentelemetry/api') as Api
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error
    throw new OptionsError('traces: the package @opentelemetry/api is missing: npm install @opentelemetry/api', {
      cause: error
    })
  }
}
