/**
 * The memory models of the gated engine against litmus tests of three and four CPUs, and the litmus tests against engines that are broken on purpose. With more
 * CPUs than cores every switch parks, so these are fewer executions.
 */
import * as assert from 'uvu/assert';
import { judge, openProgram, reached } from '../fixtures/gated/judge.ts';
import { LITMUS, WIDE } from '../fixtures/gated/programs.ts';
import { MUTANTS } from '../fixtures/gated/scenarios.ts';
import { longOnly, suite } from '../suite.ts';

const test = suite('gated: litmus of many CPUs, and mutants');
const long = longOnly(test);
const MINUTE = 60_000;

for (const litmus of WIDE)
  test(`${litmus.name}: every outcome of the model, and no other`, () => judge(litmus, 2_000), {
    deadline: 4 * MINUTE,
  });

for (const { name, shows, model } of MUTANTS)
  test(
    `an engine is found out: ${name}`,
    async () => {
      const exploration = await openProgram(name);
      const { weakOutcome } = LITMUS.find((one) => one.name === shows)!;
      try {
        const all = await reached(exploration, model, 4_000);
        assert.ok(
          all.some((outcome) => weakOutcome.test(outcome)),
          `${shows} under ${model} does not show it`,
        );
      } finally {
        await exploration.close();
      }
    },
    { deadline: 4 * MINUTE },
  );

for (const litmus of WIDE)
  long(`${litmus.name}: no other outcome in 200,000 executions`, () => judge(litmus, 200_000));

test.run();
