/** All samples of one metric, in the form in which prom-client hands them from process to process. */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  /** How those of several threads and processes become one. */
  aggregator: 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit'
  values: Sample[]
}

export interface Sample {
  value: number
  labels: Record<string, string | number>
  /** Where it is not that of the family: of a histogram's parts. */
  metricName?: string
}

export function counter(name: string, help: string, values: Sample[]): Family {
  return { name, help, type: 'counter', aggregator: 'sum', values }
}

export function gauge(name: string, help: string, values: Sample[], aggregator: Family['aggregator'] = 'sum'): Family {
  return { name, help, type: 'gauge', aggregator, values }
}
