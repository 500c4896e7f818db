import { OptionsError, type Where } from '../../src/index.js'

const reasons: Record<string, string> = {
  EADDRINUSE: 'is in use; choose another one, or stop what listens there',
  EADDRNOTAVAIL: 'is not an address of this machine; give one that is, or 0.0.0.0 for all',
  ENOTFOUND: 'cannot be resolved; give an address',
  EAI_AGAIN: 'cannot be resolved; give an address',
  ENOENT: 'is in a folder that does not exist; make it first',
  ENOTDIR: 'is in a folder that does not exist; make it first',
  EEXIST: 'is there, and is no socket; choose another one',
  ENAMETOOLONG: 'is too long; a socket file may have about 90 bytes'
}

/** Why a listener could not listen, in one line: the option, its value, and what to do. */
export function explain(error: Error & { code?: string }, name: string, where: Where): Error {
  const { code = '' } = error
  const [option, value] =
    'path' in where
      ? ['path', where.path]
      : code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? ['host', where.host]
        : ['port', `${where.port} of ${where.host}`]
  const denied =
    option === 'path'
      ? 'may not be made by this process; choose a folder it may write to'
      : 'may not be opened by this process; choose one from 1024 up'
  const reason = code === 'EACCES' || code === 'EPERM' ? denied : (reasons[code] ?? `cannot be: ${error.message}`)
  return new OptionsError(`listeners: option ${name}.${option} is ${value}, which ${reason}`, { cause: error })
}
