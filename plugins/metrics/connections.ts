import type { Server } from 'node:net'
import { Values } from './family.js'

/** Connections of clients, also those that never send a request. */
export class Connections {
  readonly opened = new Values({
    name: 'headgate_connections_opened_total',
    help: 'Connections accepted.',
    type: 'counter',
    labels: [],
    most: 1
  })
  readonly open = new Values({
    name: 'headgate_connections',
    help: 'Open connections of clients.',
    type: 'gauge',
    labels: [],
    most: 1
  })

  constructor(server: Server) {
    const opened = this.opened.series()
    const open = this.open.series()
    const closed = () => {
      open.value--
    }
    server.on('connection', socket => {
      opened.value++
      open.value++
      socket.once('close', closed)
    })
  }
}
