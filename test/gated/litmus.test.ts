/**
 * The memory models of the gated engine against the classic litmus tests of two CPUs.
 *
 * The weak outcome of each test must be as the table says, the table must be as the reference interpreter says, and the engine must reach every outcome of
 * the reference and no other one: in the exhaustive search, which has an end, and in the walks that hunts are made of.
 */
import * as assert from 'uvu/assert';
import { exhaust, judge, MODELS } from '../fixtures/gated/judge.ts';
import { LITMUS, type Litmus, loads, outcomeOf, WIDE, WORDS } from '../fixtures/gated/programs.ts';
import { outcomes } from '../fixtures/gated/reference.ts';
import { inTurn, longOnly, suite } from '../suite.ts';

const test = suite('gated: litmus');
const long = longOnly(test);
const some = inTurn(test, 8);
const MINUTE = 60_000;
/** The shapes without a barrier: these have the most outcomes. */
const CLASSIC = new Set(['SB', 'MP', 'LB', 'R', 'S', '2+2W']);

/** Every combination of small numbers in a program's registers and words. */
function* conceivable(litmus: Litmus): Generator<string> {
  const shape = litmus.cpus.map((steps) => steps.filter(loads).length);
  const registers = shape.reduce((sum, count) => sum + count, 0);
  for (let code = 0; code < 3 ** (registers + WORDS.length); code += 1) {
    const digits = Array.from(
      { length: registers + WORDS.length },
      (_, at) => Math.floor(code / 3 ** at) % 3,
    );
    yield outcomeOf(
      shape.map((count) => digits.splice(0, count)),
      digits,
    );
  }
}

test('every weak outcome is one that the program could have', () => {
  for (const litmus of [...LITMUS, ...WIDE])
    assert.ok(
      [...conceivable(litmus)].some((outcome) => litmus.weakOutcome.test(outcome)),
      `${litmus.name}: ${litmus.weakOutcome}`,
    );
});

test('the table and the reference say the same of every weak outcome', () => {
  for (const litmus of [...LITMUS, ...WIDE])
    for (const model of MODELS) {
      const weak = [...outcomes(litmus, model)].filter((outcome) => litmus.weakOutcome.test(outcome));
      const allowed = model !== 'sc' && litmus.allowed.includes(model);
      assert.is(weak.length > 0, allowed, `${litmus.name} under ${model}: ${weak}`);
    }
});

for (const litmus of LITMUS)
  some(
    `${litmus.name}: an exhaustive search finds every outcome of the model, and no other`,
    () => exhaust(litmus),
    {
      deadline: 4 * MINUTE,
    },
  );

for (const litmus of LITMUS)
  (CLASSIC.has(litmus.name) ? test : long)(
    `${litmus.name}: the policies of a hunt find every outcome of the model, and no other`,
    () => judge(litmus, 4_000),
    { deadline: 4 * MINUTE },
  );

for (const litmus of LITMUS)
  long(`${litmus.name}: no other outcome in a million executions`, () => judge(litmus, 1_000_000), {
    deadline: 60 * MINUTE,
  });

test.run();
