import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/mongodb-server.ts'],
    reporters: ['default', './test/hazards/table-reporter.ts', './test/closing-line-reporter.ts'],
    // Most of them wait more than they work: for answers, deadlines, other processes.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for takes as long as it takes on a machine that has much else to do.
    expect: { poll: { timeout: 20_000 } }
  }
})
