import { readFile } from 'node:fs/promises'

export interface Panel {
  id: number
  type: string
  title: string
  description?: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource?: { uid: string }
  targets?: { expr: string; datasource: { uid: string } }[]
}

export interface Dashboard {
  panels: Panel[]
  templating: { list: { datasource: { uid: string }; query: { query: string } }[] }
}

export async function readDashboard(): Promise<Dashboard> {
  const file = new URL('../../docker/monitoring/grafana/dashboard.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8'))
}

/** Its queries as Prometheus gets them, with Grafana's variables filled in, by panel. */
export function queriesOf({ panels, templating }: Dashboard): { title: string; expr: string }[] {
  const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))
  for (const { query } of templating.list) {
    const [, name] = /^label_values\((\w+), \w+\)$/.exec(query.query)!
    queries.push({ title: 'a variable', expr: name! })
  }
  return queries.map(({ title, expr }) => ({
    title,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$source', '.*')
  }))
}

const KEYWORDS = /^(by|on|and|or|unless|ignoring|without|group_left|group_right|bool|offset)$/

/** The metrics that an expression reads. */
export function metricsOf(expr: string): string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(by|on|ignoring|without|group_left|group_right) *\([^)]*\)/g, '')
  const names = bare.matchAll(/\b([a-zA-Z_]\w*)\b(?!\s*\()/g)
  return [...new Set([...names].map(([name]) => name).filter((name) => !KEYWORDS.test(name)))]
}
