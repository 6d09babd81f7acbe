/**
 * The classic bugs on real CPUs: fixed twins pass a torture, those broken ones that two cores show soon fail one, and those that get stuck end as a stall.
 * What takes a rare interleaving or a weaker memory model than the machine's is left to test/scenarios.test.ts.
 *
 * A run is mostly the start of its CPUs. The fixed twins of bugs that show here run always, for with them silence says something; the others, whose broken
 * form would be silent as well, run in the long tests, and always in test/scenarios.test.ts and test/classics.test.ts.
 */
import * as assert from 'uvu/assert';
import { type TortureParams, type TortureResult, torture } from '../../harness/index.ts';
import { classics, scenarioByName } from '../../src/scenarios/index.ts';
import { longOnly, suite } from '../suite.ts';

const test = suite('classic bugs on hardware');
const long = longOnly(test);
const DEADLINE = 240_000;
/** Episodes of a fixed twin. */
const EPISODES = 1024;
/**
 * Runs in which a broken one must fail, each with a seed of its own: one of the first few does where both CPUs have a core, and many may be silent where others keep
 * the cores busy.
 */
const RUNS = 300;

const SHOWN = [
  'lost-update',
  'once-runs-twice',
  'unlocked-size',
  'put-read-then-write',
  'trylock-released',
  'refcount-resurrect',
  'deque-last-item',
  'ring-full-or-empty',
  'publish-before-init',
  'spurious-wake-up',
  'seqlock-no-recheck',
  'store-buffering',
];
const STUCK = ['ab-ba', 'barrier-reuse', 'lost-signal', 'after-you'];

function run(name: string, params: Partial<TortureParams>): Promise<TortureResult> {
  const scenario = scenarioByName(name);
  if (!scenario) throw new Error(`there is no scenario '${name}'`);
  return torture(scenario, params, { stacks: false });
}

/** Runs with other seeds until it ends otherwise than well. */
async function untilCaught(name: string, params: Partial<TortureParams>): Promise<TortureResult> {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const result = await run(name, { ...params, seed });
    if (result.verdict !== 'success') return result;
  }
  throw new Error(`${name} was not caught in ${RUNS} runs`);
}

async function passes(twins: typeof classics): Promise<void> {
  assert.ok(twins.length > 0);
  for (const { fixed } of twins) {
    const rounds = Math.ceil(EPISODES / fixed.stride);
    const { verdict, oracle, outcomes, acquisitions } = await run(fixed.name, {
      rounds,
      stallAfter: 30_000,
    });
    assert.is(verdict, 'success', `${fixed.name}, seed 1: ${oracle}: ${outcomes?.failures.join()}`);
    assert.is(acquisitions, rounds * fixed.stride, fixed.name);
  }
}

const shows = ({ name }: { name: string }): boolean => SHOWN.includes(name) || STUCK.includes(name);

test(
  'the fixed twins of those that are caught here pass',
  () => {
    const twins = classics.filter(shows);
    assert.is(twins.length, SHOWN.length + STUCK.length);
    return passes(twins);
  },
  { deadline: DEADLINE },
);

long('every other fixed twin passes', () => passes(classics.filter((each) => !shows(each))));

for (const name of SHOWN)
  test(
    `busted/${name} is caught`,
    async () => {
      const params = { rounds: 1000, failFast: true, stallAfter: 30_000 };
      const { verdict, oracle } = await untilCaught(`busted/${name}`, params);
      assert.is(verdict, 'failure');
      assert.is(oracle, scenarioByName(`busted/${name}`)?.mutant?.caughtBy);
    },
    { deadline: DEADLINE },
  );

for (const name of STUCK)
  test(
    `busted/${name} gets stuck, and is ended`,
    async () => {
      const { verdict } = await untilCaught(`busted/${name}`, { rounds: 2000, stallAfter: 1000 });
      assert.is(verdict, 'stall');
    },
    { deadline: DEADLINE },
  );

test.run();
