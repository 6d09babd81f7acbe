/**
 * The races of page_lock_anon_vma are broken by their numbered steps alone: the script of each, forced in the gated engine, makes it fail in the way that it says, and the same switches leave its
 * fixed twin silent under every detector.
 *
 * Most of the time is the start of CPUs, so they take turns: others with each run of the file, and all in the long tests.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import { failureOf } from '../../harness/explore/failure.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import { mmRaces } from '../../src/scenarios/mm/index.ts';
import { scriptsFor } from '../fixtures/mm/anon-vma-steps.ts';
import { script } from '../fixtures/mm/script.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('races of page_lock_anon_vma, step by step');
const some = inTurn(test, 8);
const twins = inTurn(test, 9);
const GROUP = 'mm/anon-vma/';
const EVERY = DETECTORS.map(({ name }) => name);

const races = mmRaces.filter(({ name }) => name.startsWith(GROUP));
const shortName = (name: string): string => name.slice(GROUP.length);

async function opened<T>(
  scenario: ScenarioDefinition,
  run: (exploration: Exploration) => Promise<T>,
  detect?: readonly string[],
): Promise<T> {
  const exploration = await Exploration.open(scenario, detect ? { detect } : {});
  try {
    return await run(exploration);
  } finally {
    await exploration.close();
  }
}

/** What the steps of a race come to, and the script that they are of. */
async function forced(name: string, broken: ScenarioDefinition, exploration: Exploration) {
  const found = scriptsFor(exploration)[shortName(name)];
  assert.ok(found, 'it has a script');
  return { ...found, execution: await script(exploration, found.steps, broken.mutant!.model) };
}

for (const { name, broken } of races)
  some(`${shortName(name)} fails by its steps`, () =>
    opened(broken, async (exploration) => {
      const { execution, oracle, text } = await forced(name, broken, exploration);
      const failure = failureOf(exploration, execution);
      assert.is(failure?.oracle, oracle, failure?.text);
      assert.match(failure?.text ?? '', text);
    }),
  );

for (const { name, broken, fixed } of races)
  twins(`${shortName(name)}: the same switches leave the fixed twin silent`, async () => {
    const { model } = broken.mutant!;
    const { switches } = await opened(
      broken,
      async (exploration) => (await forced(name, broken, exploration)).execution,
    );
    await opened(
      fixed,
      async (exploration) => {
        const execution = await exploration.execution({ switches, seed: 1 }, { model });
        assert.is(failureOf(exploration, execution)?.text, undefined);
      },
      EVERY,
    );
  });

test('nobody has a script who is no race', () => {
  const known = scriptsFor({ setup: { lock: 64 }, cpus: 2, machine: {} } as never);
  assert.equal(Object.keys(known).sort(), races.map(({ name }) => shortName(name)).sort());
});

test.run();
