/** Results as JUnit XML: a test case a lock. */
import junit, { type Builder } from 'junit-report-builder';
import type { TortureResult } from '../torture/result.ts';
import { summarize, verdictWord } from '../torture/summary.ts';

// A CommonJS package whose declarations say `export default`: what arrives is the builder itself, what is declared is a module around it.
const shared = junit as unknown as Builder;

/** The XML document. */
export function junitDocument(results: readonly TortureResult[]): string {
  const builder = shared.newBuilder();
  const suite = builder.testSuite().name('lockrig torture');
  for (const result of results) {
    const test = suite.testCase().className('torture').name(result.lock).time(result.seconds);
    const text = summarize(result).join('\n');
    if (result.verdict === 'failure' || result.verdict === 'stall')
      test.failure(verdictWord(result), result.oracle ?? '').standardOutput(text);
    else if (result.verdict === 'died') test.error(verdictWord(result)).standardOutput(text);
    else if (result.verdict === 'interrupted') test.skipped();
    else test.standardOutput(text);
  }
  return builder.build();
}
