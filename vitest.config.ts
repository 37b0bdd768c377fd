import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/mongodb-server.ts'],
    reporters: ['default', './test/hazards/table-reporter.ts', './test/closing-line-reporter.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000
  }
})
