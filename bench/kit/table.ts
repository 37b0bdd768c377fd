import type { Result } from './row.ts'

export const TABLE_HEAD = '| what | ours | compared with | ratio | bar |\n| --- | --- | --- | --- | --- |'

export function tableLine(what: string, { ours, comparedWith, ratio, bar, met }: Result): string {
  return `| ${[what, ours, comparedWith, ratio, met ? bar : `${bar}: **missed**`].join(' | ')} |`
}

export function failureLine(what: string, error: Error): string {
  return `| ${what} | not measured: ${error.message.replaceAll(/[|\n]/g, ' ')} | | | |`
}
