import type { Reporter, TestModule } from 'vitest/node'
import type { HazardRow } from './record.ts'

/** Prints what `recordHazard` was told, as one table, in the order of the files and of the tests in them. */
export default class HazardTableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const inOrder = [...modules].sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1))
    const rows = inOrder
      .flatMap((module) => [...module.children.allTests()])
      .flatMap((test) => (test.meta().hazards ?? []).map((row) => mark(row, test.result().state === 'failed')))
    if (rows.length > 0) console.log(renderTable(rows))
  }
}

function mark(row: HazardRow, hasFailed: boolean): HazardRow {
  return hasFailed ? { ...row, figure: `${row.figure} (the test FAILED)` } : row
}

export function renderTable(rows: HazardRow[]): string {
  const all = [{ hazard: 'hazard', expected: 'expected', figure: 'figure' }, ...rows]
  const widest = (column: keyof HazardRow) => Math.max(...all.map((row) => row[column].length))
  const [hazard, expected, figure] = [widest('hazard'), widest('expected'), widest('figure')]
  const lines = all.map(
    (row) => `| ${row.hazard.padEnd(hazard)} | ${row.expected.padEnd(expected)} | ${row.figure.padEnd(figure)} |`
  )
  const rule = `| ${[hazard, expected, figure].map((width) => '-'.repeat(width)).join(' | ')} |`
  return `\n${[lines[0], rule, ...lines.slice(1)].join('\n')}\n`
}
