import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/mongodb-server.ts'],
    reporters: ['default', './test/hazards/table-reporter.ts', './test/closing-line-reporter.ts'],
    // Most of them wait more than they work: for answers, deadlines, other processes.
    maxWorkers: 4,
    // What is waited for takes as long as it takes on a machine that has much else to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 100_000 } }
  }
})
