import { proxy, upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { announce, originUrl } from '../announce.js'
import { listen } from '../bench/processes/listen.js'
import { memory } from './memory.js'

const app = gateway({ logger: false })
app.register(upstream, { endpoints: [originUrl()] })
app.register(proxy)

announce(await listen(app), { memory })
