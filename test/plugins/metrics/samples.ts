/** Samples of an exposition by their name and labels, as they stand there. */
export function readSamples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, sample, value] = /^(\S+?(?:\{.*\})?) (\S+)$/.exec(line)!
      return [sample!, Number(value)]
    })
  )
}

/** The sum of all samples of this name whose labels have all of these. */
export function sum(text: string, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  let total = 0
  for (const [sample, value] of readSamples(text)) {
    if (sample.split('{')[0] === name && wanted.every((label) => sample.includes(label))) total += value
  }
  return total
}
