import type { Registry } from 'prom-client'
import type { Family } from './family.ts'

/** Those of several threads and processes as one. Its package is loaded for who asks for the first time. */
export async function aggregate(all: Family[][]): Promise<Registry> {
  const { AggregatorRegistry } = await import('prom-client')
  return AggregatorRegistry.aggregate(all)
}
