/**
 * The memory models of the gated engine against litmus tests of three and four CPUs, and the litmus tests against engines that are broken on purpose. With more
 * CPUs than cores every switch parks, so these are fewer executions.
 */
import * as assert from 'uvu/assert';
import { exhaust, judge, openProgram, searched } from '../fixtures/gated/judge.ts';
import { LITMUS, WIDE } from '../fixtures/gated/programs.ts';
import { MUTANTS } from '../fixtures/gated/scenarios.ts';
import { longOnly, suite } from '../suite.ts';

const test = suite('gated: litmus of many CPUs, and mutants');
const long = longOnly(test);
const MINUTE = 60_000;

for (const litmus of WIDE)
  (litmus.name.startsWith('WRC r') ? test : long)(
    `${litmus.name}: an exhaustive search finds every outcome of the model, and no other`,
    () => exhaust(litmus),
    { deadline: 20 * MINUTE },
  );

for (const litmus of WIDE)
  (litmus.name === 'IRIW' || litmus.name === 'WRC' ? test : long)(
    `${litmus.name}: the policies of a hunt find every outcome of the model, and no other`,
    () => judge(litmus, 2_000),
    { deadline: 4 * MINUTE },
  );

for (const { name, shows, model } of MUTANTS)
  test(
    `an engine is found out: ${name}`,
    async () => {
      const exploration = await openProgram(name);
      const { weakOutcome } = LITMUS.find((one) => one.name === shows)!;
      try {
        const { found } = await searched(exploration, model);
        assert.ok(
          found.some((outcome) => weakOutcome.test(outcome)),
          `${shows} under ${model} does not show it`,
        );
      } finally {
        await exploration.close();
      }
    },
    { deadline: 4 * MINUTE },
  );

for (const litmus of WIDE)
  long(`${litmus.name}: no other outcome in a million executions`, () => judge(litmus, 1_000_000), {
    deadline: 60 * MINUTE,
  });

test.run();
