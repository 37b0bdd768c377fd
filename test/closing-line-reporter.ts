import type { Reporter, TestCase, TestModule } from 'vitest/node'

/**
 * Closes the output with what failed, and with one line of real results, for whoever reads only the end of it:
 * `N passed, N failed[, N skipped]`.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const inState = (state: string) => tests.filter((test) => test.result().state === state)
    // A file that cannot even be loaded, and an error outside of any test, fail the run: they count.
    const broken = modules.filter((module) => module.state() === 'failed' && module.errors().length > 0)
    const failures = [
      ...inState('failed').map((test) => `${nameOf(test)}: ${reasonOf(test.result().errors?.[0])}`),
      ...broken.map((module) => `${module.relativeModuleId}: ${reasonOf(module.errors()[0])}`),
      ...errors.map((error) => `outside of any test: ${reasonOf(error)}`)
    ]
    const skipped = inState('skipped').length + inState('pending').length
    process.on('exit', () => {
      for (const failure of failures) console.log(`FAILED ${failure}`)
      const closing = `${inState('passed').length} passed, ${failures.length} failed`
      console.log(skipped > 0 ? `${closing}, ${skipped} skipped` : closing)
    })
  }
}

const nameOf = (test: TestCase) => `${test.module.relativeModuleId} > ${test.fullName}`

/** The first line of it: the rest is further up. */
const reasonOf = (error: unknown) => String((error as Error | undefined)?.message ?? error).split('\n')[0]
