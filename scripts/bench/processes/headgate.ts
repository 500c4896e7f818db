import { proxy, upstream } from '../../../plugins/index.js'
import { gateway } from '../../../src/index.js'
import { announce, originUrl } from '../../announce.js'
import { listen } from './listen.js'

const app =
  process.argv[3] === 'access-log'
    ? gateway({ accessLog: true, logger: { level: 'info' } })
    : gateway({ logger: false })
app.register(upstream, { endpoints: [originUrl()] })
app.register(proxy)

announce(await listen(app))
