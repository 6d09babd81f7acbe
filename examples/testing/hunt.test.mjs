// A hunt in node:test: `node --test examples/testing/hunt.test.mjs`. LOCK=hasty and STACK=hurried take the broken twins, and fail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHunt, hunt, loadSubject } from 'lockrig/harness';

const { LOCK = 'spin', STACK = 'reserved' } = process.env;

test(`the lock ${LOCK} holds in 1,000 executions`, async () => {
  const subject = await loadSubject(new URL('./my-lock.ts', import.meta.url), LOCK);
  const result = await hunt(subject, { executions: 1000 });
  assert.equal(result.verdict, 'clean', describeHunt(result));
});

test(`the stack ${STACK} is linearizable in 1,000 executions`, async () => {
  const subject = await loadSubject(new URL('./my-stack.ts', import.meta.url), STACK);
  const result = await hunt(subject, { executions: 1000, models: ['sc'] });
  assert.equal(result.verdict, 'clean', describeHunt(result));
});
