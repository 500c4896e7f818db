import t from 'tap'
import { type Job, Schedule } from '../../plugins/health/schedule.js'
import { Clock, settled } from './health-clock.js'

/** A job that ends when it is told to, and is due again after `delay`. */
class Task implements Job {
  runs = 0
  delay = 100
  #end: (delay: number) => void = () => {}

  run(): Promise<number> {
    this.runs++
    return new Promise(resolve => {
      this.#end = resolve
    })
  }

  async end(): Promise<void> {
    this.#end(this.delay)
    await settled()
  }
}

const started = (parallel: number, clock = new Clock()) => {
  const schedule = new Schedule(parallel, clock)
  schedule.start()
  return { schedule, clock }
}

t.test('a job is due at once, and again some time after it has ended', async t => {
  const { schedule, clock } = started(1)
  const task = new Task()
  schedule.add(task)
  t.equal(task.runs, 1)
  t.equal(clock.pending, 0, 'nothing waits while it runs, so that it never overlaps itself')
  clock.now = 1_000
  await task.end()
  t.equal(await clock.next(), 1_100)
  t.equal(task.runs, 2)
})

t.test('nothing runs before the start', async t => {
  const schedule = new Schedule(1, new Clock())
  const task = new Task()
  schedule.add(task)
  t.equal(task.runs, 0)
  schedule.start()
  t.equal(task.runs, 1)
})

t.test('only so many jobs run at once, and the others take their turns', async t => {
  const { schedule } = started(2)
  const tasks = Array.from({ length: 5 }, () => new Task())
  for (const task of tasks) schedule.add(task)
  t.same(schedule.counts, { waiting: 0, due: 3, running: 2 })
  for (const [index, task] of tasks.entries()) {
    t.same(
      tasks.map(({ runs }) => runs),
      tasks.map((_task, other) => (other < index + 2 ? 1 : 0))
    )
    await task.end()
  }
  t.same(schedule.counts, { waiting: 5, due: 0, running: 0 })
})

t.test('a job that came first has its turn first, whatever came in between', async t => {
  const { schedule } = started(1)
  const order: number[] = []
  const named = (name: number) => {
    const task = new Task()
    const run = task.run.bind(task)
    task.run = () => {
      order.push(name)
      return run()
    }
    return task
  }
  const tasks = [0, 1, 2, 3, 4].map(named)
  for (const task of tasks.slice(0, 3)) schedule.add(task)
  await tasks[0]?.end()
  for (const task of tasks.slice(3)) schedule.add(task)
  for (const task of tasks.slice(1)) await task.end()
  t.same(order, [0, 1, 2, 3, 4])
})

t.test('a job that is removed is over, whether it waits, is due or runs', async t => {
  const { schedule, clock } = started(1)
  const [waiting, running, due, next] = [new Task(), new Task(), new Task(), new Task()]
  schedule.add(waiting)
  await waiting.end()
  for (const task of [running, due, next]) schedule.add(task)
  schedule.remove(waiting)
  t.equal(clock.pending, 0)
  schedule.remove(due)
  t.equal(next.runs, 0)
  schedule.remove(running)
  t.equal(next.runs, 1, 'its place is free')
  await running.end()
  t.same(schedule.counts, { waiting: 0, due: 0, running: 1 })
  await next.end()
  t.equal(due.runs, 0)
  t.equal(clock.pending, 1)
})

t.test('a schedule that is closed keeps no timer and starts nothing', async t => {
  const { schedule, clock } = started(1)
  const [waiting, running, due] = [new Task(), new Task(), new Task()]
  schedule.add(waiting)
  await waiting.end()
  schedule.add(running)
  schedule.add(due)
  schedule.close()
  t.equal(clock.pending, 0)
  await running.end()
  schedule.add(new Task())
  t.equal(due.runs, 0)
  t.equal(clock.pending, 0)
})
