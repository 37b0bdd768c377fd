import { readFile } from 'node:fs/promises'

/** What Linux tells every program, whatever its own clock is. */
const TICKS_PER_SECOND = 100

/** @returns seconds that a process and all that it started and that run have used, as Linux counts them */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which may have anything in it: from the third field on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const own = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  const theirs = await Promise.all(children.map((child) => cpuSeconds(Number(child))))
  return theirs.reduce((sum, seconds) => sum + seconds, own)
}
