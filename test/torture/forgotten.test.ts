/** When waiters count as forgotten: by what was counted of parks and wake-ups, and not because a machine is busy. */
import * as assert from 'uvu/assert';
import { forgotten } from '../../harness/torture/notes.ts';
import type { CpuCounts } from '../../harness/torture/result.ts';
import { suite } from '../suite.ts';

const test = suite('torture: forgotten waiters');

const cpus = (each: Partial<CpuCounts>, count = 4): CpuCounts[] =>
  Array.from({ length: count }, (_, cpu) => ({ cpu, ...each }) as CpuCounts);

test('who never wakes is found, whatever the rounds wake', () => {
  // As seen: 4 CPUs, 255 rounds, each of which wakes those that wait for its end.
  const counts = cpus({ parks: 680, woken: 190, overslept: 104, wakes: 63 });
  assert.equal(forgotten(counts, 255), { overslept: 416, parks: 2720 });
});

test('a lock that wakes one of its waiters is not accused on a busy machine', () => {
  // As seen: 8 CPUs on two cores that others use, too; a word that names its holder changes while most waiters sleep.
  const counts = cpus({ parks: 35, woken: 14, overslept: 3, wakes: 14 }, 8);
  assert.is(forgotten(counts, 2), undefined);
  assert.is(forgotten(cpus({ parks: 35, woken: 14, overslept: 14, wakes: 14 }, 8), 2), undefined);
});

test('few sleeps say nothing, neither in number nor as a share', () => {
  assert.is(forgotten(cpus({ parks: 4, woken: 0, overslept: 4, wakes: 0 }), 3), undefined);
  assert.is(forgotten(cpus({ parks: 5000, woken: 0, overslept: 20, wakes: 0 }), 3), undefined);
});

test.run();
