// A hunt in uvu: `node examples/testing/hunt.uvu.mjs`. LOCK=hasty takes the broken twin, and fails.
import { describeHunt, hunt, loadSubject } from 'lockrig/harness';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const { LOCK = 'spin' } = process.env;

test(`the lock ${LOCK} holds in 1,000 executions`, async () => {
  const subject = await loadSubject(new URL('./my-lock.ts', import.meta.url), LOCK);
  const result = await hunt(subject, { executions: 1000 });
  assert.is(result.verdict, 'clean', describeHunt(result));
});

test.run();
