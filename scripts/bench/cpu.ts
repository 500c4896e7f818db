import { readdirSync, readFileSync } from 'node:fs'

/** CPU time spent by a process, its threads and its children so far, in nanoseconds by thread. */
export type CpuTimes = Map<string, number>

const nanosecondsPerTick = 10_000_000

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process or thread ended between the listing and now.
    return undefined
  }
}

/** The fields of /proc/PID/stat from the third on; the second, the name, may contain blanks. */
function stat(pid: string): string[] {
  const text = read(`/proc/${pid}/stat`) ?? ''
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** A process and all below it. */
export function tree(root: string): string[] {
  const parents = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => ({ pid, parent: stat(pid)[1] }))
  const found = [root]
  for (const pid of found) found.push(...parents.filter(({ parent }) => parent === pid).map(child => child.pid))
  return found
}

/** Reads what the kernel has accounted to `pid` and everything below it. */
export function cpuTimes(pid: number): CpuTimes {
  const times: CpuTimes = new Map()
  for (const process of tree(String(pid))) {
    for (const thread of threads(process)) {
      // schedstat counts nanoseconds; utime + stime count ticks of 10 ms.
      const spent = Number(read(`/proc/${process}/task/${thread}/schedstat`)?.split(' ')[0])
      if (spent > 0) times.set(`${process}/${thread}`, spent)
    }
    if (times.size === 0) {
      const fields = stat(process)
      times.set(process, (Number(fields[11]) + Number(fields[12])) * nanosecondsPerTick)
    }
  }
  return times
}

function threads(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** The microseconds spent between two readings; a thread that ended in between counts nothing. */
export function cpuBetween(before: CpuTimes, after: CpuTimes): number {
  let nanoseconds = 0
  for (const [thread, time] of after) nanoseconds += time - (before.get(thread) ?? 0)
  return nanoseconds / 1000
}
