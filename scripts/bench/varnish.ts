import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, spawnChild } from '../child.js'
import { freePort } from './native.js'

/** Varnish as it comes, with its store in memory. It speaks plain HTTP. */
export async function varnish(origin: number, directory: string): Promise<Child> {
  const port = await freePort()
  mkdirSync(directory, { recursive: true })
  const options = ['-F', '-a', `127.0.0.1:${port}`, '-b', `127.0.0.1:${origin}`, '-n', join(directory, 'work')]
  return spawnChild('varnishd', [...options, '-s', 'malloc,256m'], port)
}
