/**
 * The classic bugs are found by the hunt under the memory model that they name, by the oracle that they name, made small, and come back; their fixed twins are
 * silent under every model.
 *
 * A hunt replays what it finds before it says so. That the token alone is enough, and that the fixed twin is silent under every detector, takes the start of other
 * CPUs, which is most of the time here: of one bug in four, others with each seed, and of all of them in the long tests. That fixed twins have no failing schedule
 * is tested in scenarios.test.ts for all.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../harness/detect/index.ts';
import { hunt } from '../harness/explore/hunt.ts';
import { replay } from '../harness/explore/replay.ts';
import { decode } from '../harness/explore/token.ts';
import { classics } from '../src/scenarios/index.ts';
import { seed } from './seed.ts';
import { inTurn, suite } from './suite.ts';

const test = suite('classic bugs, hunted');
const some = inTurn(test, 6);
const EXECUTIONS = 10_000;
const SILENT = 60;
const REPLAYS = 10;
/** One in so many comes back from its token. */
const LONG = process.env.LOCKRIG_LONG === '1';
const SHARE = 4;

/** What catches them is named as the hunt does: nobody can go on, and somebody is asleep; or locks are taken in orders in which that is bound to happen. */
const ASLEEP = ['progress', 'wakeup', 'lock-order'];

for (const [at, { name, broken, fixed }] of classics.entries()) {
  const { caughtBy, model } = broken.mutant!;
  some(
    `${name} (seed ${seed})`,
    async () => {
      const { failures } = await hunt(broken, {
        executions: EXECUTIONS,
        seed,
        models: [model],
        // A race that changes no outcome takes a detector that is not on by default.
        ...(caughtBy === 'race' ? { detect: ['races'] } : {}),
      });
      const [failure] = failures;
      assert.ok(failure, `${broken.name} was not found in ${EXECUTIONS} executions`);
      const oracles = ['progress', 'wakeup'].includes(caughtBy) ? ASLEEP : [caughtBy];
      assert.ok(oracles.includes(failure.oracle), `${failure.oracle}: ${failure.text}`);
      assert.ok(failure.shown <= 15);
      if (LONG || (at + seed) % SHARE === 0) {
        const { same, difference } = await replay(broken, decode(failure.token), { times: REPLAYS });
        assert.is(same, REPLAYS, difference);
      }
      if (LONG || (at + seed) % SHARE === 1) {
        const silent = await hunt(fixed, {
          executions: SILENT,
          seed,
          models: ['sc', 'tso', 'weak'],
          detect: DETECTORS.map(({ name }) => name),
        });
        assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
      }
    },
    { deadline: 120_000 },
  );
}

test.run();
