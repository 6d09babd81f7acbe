/**
 * The races of page_lock_anon_vma are found without their scripts, by the policies of the hunt and by the oracle that they name; fixed twins and controls are silent under every memory model and every
 * detector.
 *
 * All of them take turns: others with each run of the file, and all in the long tests, where the hunt itself finds them, makes them small and replays its token; and those that are rare only there.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import { type Failure, failureOf } from '../../harness/explore/failure.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import { PORTFOLIO } from '../../harness/explore/policies/index.ts';
import { replay } from '../../harness/explore/replay.ts';
import { decode } from '../../harness/explore/token.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import { mmControls, mmRaces } from '../../src/scenarios/mm/index.ts';
import { seed } from '../seed.ts';
import { inTurn, longOnly, suite } from '../suite.ts';

const test = suite('races of page_lock_anon_vma, hunted');
const races = inTurn(test, 9);
const rare = longOnly(test);
const silent = inTurn(test, 10);
const LONG = process.env.LOCKRIG_LONG === '1';
/** Those that show in one of some ten thousand executions; of the others it takes hundreds. */
const RARE = /is-locked|reinitialised/;
const EXECUTIONS = 250_000;
/** Of each under each memory model. */
const SILENT = LONG ? 33_334 : 100;
const REPLAYS = 1000;
const GROUP = 'mm/anon-vma/';
/** What catches those that nobody gets out of is named by whether somebody is asleep. */
const ASLEEP = ['progress', 'wakeup', 'lock-order'];
const DEADLINE = { deadline: 600_000 };

const group = mmRaces.filter(({ name }) => name.startsWith(GROUP));

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

/** The first failure of as many executions. */
const searched = (broken: ScenarioDefinition): Promise<{ failure: Failure | undefined; after: number }> =>
  opened(broken, async (exploration) => {
    const { model } = broken.mutant!;
    const session = await exploration.session({
      model,
      executions: EXECUTIONS,
      base: seed,
      portfolio: PORTFOLIO,
      failFast: true,
    });
    const [failed] = session.failures;
    const failure = failed && failureOf(exploration, await exploration.execution(failed.schedule, { model }));
    return { failure, after: session.executions };
  });

/** The same by the hunt, which comes back from its token. */
async function hunted(broken: ScenarioDefinition): Promise<Awaited<ReturnType<typeof searched>>> {
  const { failures, executions } = await hunt(broken, {
    executions: EXECUTIONS,
    seed,
    models: [broken.mutant!.model],
  });
  const [failure] = failures;
  if (!failure) return { failure: undefined, after: executions };
  const { same, difference } = await replay(broken, decode(failure.token), { times: REPLAYS });
  assert.is(same, REPLAYS, difference);
  return { failure, after: failure.after.executions };
}

for (const { name, broken } of group) {
  const { caughtBy, says = '' } = broken.mutant!;
  const declare = RARE.test(name) ? rare : races;
  declare(
    `${name} is found (seed ${seed})`,
    async () => {
      const { failure, after } = await (LONG ? hunted : searched)(broken);
      assert.ok(failure, `not in ${after} executions`);
      const oracles = caughtBy === 'progress' ? ASLEEP : [caughtBy];
      assert.ok(oracles.includes(failure.oracle), `${failure.oracle}: ${failure.text}`);
      assert.match(failure.text, says);
      process.stdout.write(`after ${after} executions `);
    },
    DEADLINE,
  );
}

for (const scenario of [...group.map(({ fixed }) => fixed), ...mmControls.map((control) => control.scenario)])
  silent(
    `${scenario.name} is silent (seed ${seed})`,
    () =>
      opened(
        scenario,
        async (exploration) => {
          for (const model of ['sc', 'tso', 'weak'] as const) {
            const { failures, executions, unwatched } = await exploration.session({
              model,
              executions: SILENT,
              base: seed,
              portfolio: PORTFOLIO,
              failFast: true,
            });
            const [failed] = failures;
            const failure =
              failed && failureOf(exploration, await exploration.execution(failed.schedule, { model }));
            assert.is(failure?.text, undefined, model);
            assert.is(executions, SILENT);
            assert.is(unwatched, 0);
          }
        },
        DETECTORS.map(({ name }) => name),
      ),
    DEADLINE,
  );

test.run();
