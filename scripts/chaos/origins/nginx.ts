import { join } from 'node:path'
import { startNginx } from '../../bench/native.js'
import { lastingPort } from '../port.js'
import { ChildOrigin, type Origin } from './origin.js'

/** nginx, answering by itself. */
export async function nginxOrigin(journal: string, directory: string): Promise<Origin> {
  const port = await lastingPort()
  const http = `log_format id $http_x_id;
  map $request_method $executed { POST 1; default 0; }
  server {
    listen 127.0.0.1:${port};
    access_log ${journal} id if=$executed;
    location / { return 200 "$request_method $request_uri"; }
  }`
  const spawn = () => startNginx(join(directory, `nginx-${port}`), port, http)
  return new ChildOrigin('nginx', port, spawn, 'SIGQUIT', true)
}
