/**
 * The instruction benchmark: a row for every operation of every engine, with figures that can be, from loops
 * that were not dropped.
 */
import * as assert from 'uvu/assert';
import { benchInstructions } from '../../bench/instructions.ts';
import { instructionNames } from '../../bench/instructions-cpu.ts';
import { suite } from '../suite.ts';

const test = suite('instruction benchmark');

test('measures every operation on every engine', async () => {
  const rows = await benchInstructions({ time: 2 });
  for (const engine of ['wasm', 'atomics']) {
    const own = rows.filter((row) => row.engine === engine);
    assert.equal(
      own.map(({ operation }) => operation),
      instructionNames,
    );
    for (const { operation, ns, mad, min, blocks } of own) {
      const figures = `${engine} ${operation}: ${ns} ns, deviation ${mad}, least ${min}, ${blocks} blocks`;
      assert.ok(ns > 0 && Number.isFinite(ns) && min > 0 && min <= ns && mad >= 0, figures);
      assert.ok(blocks >= 16, figures);
    }
  }
});

test('refuses a time that cannot be', async () => {
  for (const time of [0, -1, Number.NaN, 1e9]) {
    const error = await benchInstructions({ time }).catch((thrown: unknown) => thrown);
    assert.instance(error, RangeError);
    assert.match((error as Error).message, `not ${time}`);
  }
});

test.run();
