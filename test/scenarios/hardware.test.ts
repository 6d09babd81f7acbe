/**
 * The classic bugs on real CPUs: fixed twins pass a torture, those broken ones that two cores show soon fail one, and those that get stuck end as a stall.
 * What takes a rare interleaving or a weaker memory model than the machine's is left to test/scenarios.test.ts.
 */
import * as assert from 'uvu/assert';
import { type TortureParams, type TortureResult, torture } from '../../harness/index.ts';
import { classics, scenarioByName } from '../../src/scenarios/index.ts';
import { suite } from '../suite.ts';

const test = suite('classic bugs on hardware');
const DEADLINE = 240_000;
/** Episodes of a fixed twin. */
const EPISODES = 1024;
/** Runs in which a broken one must fail, each with a seed of its own. */
const RUNS = 60;

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

test(
  'every fixed twin passes',
  async () => {
    for (const { fixed } of classics) {
      const rounds = Math.ceil(EPISODES / fixed.stride);
      const { verdict, oracle, outcomes, acquisitions } = await run(fixed.name, {
        rounds,
        stallAfter: 30_000,
      });
      assert.is(verdict, 'success', `${fixed.name}, seed 1: ${oracle}: ${outcomes?.failures.join()}`);
      assert.is(acquisitions, rounds * fixed.stride, fixed.name);
    }
  },
  { deadline: DEADLINE },
);

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
