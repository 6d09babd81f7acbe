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
import { inTurn, suite } from '../suite.ts';
import { scripts } from './anon-vma-steps.ts';
import { wordsOf } from './anon-vma-words.ts';
import { type Forced, force } from './script.ts';

const test = suite('races of page_lock_anon_vma, step by step');
const some = inTurn(test, 2);
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

const forced = (name: string, broken: ScenarioDefinition, exploration: Exploration): Promise<Forced> =>
  force(exploration, scripts[shortName(name)]!.steps, wordsOf(exploration), broken.mutant!.model);

test('each race has a script', () => {
  assert.equal(Object.keys(scripts).sort(), races.map(({ name }) => shortName(name)).sort());
});

for (const { name, broken } of races) {
  const { steps, oracle, text } = scripts[shortName(name)]!;
  some(`${shortName(name)} fails by its ${steps.length} steps`, () =>
    opened(broken, async (exploration) => {
      const { execution, switches } = await forced(name, broken, exploration);
      const failure = failureOf(exploration, execution);
      assert.is(failure?.oracle, oracle, failure?.text);
      assert.match(failure?.text ?? '', text);
      assert.is(switches.length <= 2 * steps.length, true);
    }),
  );
}

for (const { name, broken, fixed } of races)
  twins(`${shortName(name)}: the same switches leave the fixed twin silent`, async () => {
    const { switches } = await opened(broken, (exploration) => forced(name, broken, exploration));
    await opened(
      fixed,
      async (exploration) => {
        const execution = await exploration.execution({ switches, seed: 1 }, { model: broken.mutant!.model });
        assert.is(failureOf(exploration, execution)?.text, undefined);
      },
      EVERY,
    );
  });

test.run();
