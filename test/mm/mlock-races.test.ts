/**
 * Each race of mlocked pages (mm.md R0.7 to R0.9) happens when its steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back from its token;
 * the fixed twin is silent under every detector and memory model, with the same steps where it can make them.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import type { Event } from '../../harness/engines/trace.ts';
import { type Execution, Exploration } from '../../harness/explore/exploration.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import { replay } from '../../harness/explore/replay.ts';
import { decode } from '../../harness/explore/token.ts';
import { LIST_POISON_PREV } from '../../src/memory/index.ts';
import { PAGE_STRUCT_BYTES, Page, PG, Zone } from '../../src/mm/structs.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import { mappedWorld } from '../../src/scenarios/mm/mappings.ts';
import { mlockClassics } from '../../src/scenarios/mm/mlock.ts';
import { url } from '../fixtures/mm/mlock.ts';
import { type Step, script } from '../fixtures/mm/script.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('races of mlocked pages');
const EXECUTIONS = 5_000;
const SILENT = 90;
const REPLAYS = 10;
/** What the hunt calls it when somebody waits for a lock that nobody gives up. */
const ASLEEP = ['progress', 'wakeup', 'lock-order'];

/** Where things lie: page 1 and the lock of the lists. */
type Places = Readonly<Record<'flags' | 'prev' | 'lruLock', number>>;

const end = (cpu: number): Step => ({ cpu, until: 'its end' });
const step = (cpu: number, until: string, is: (event: Event, name: string) => boolean): Step => ({
  cpu,
  until,
  is,
});
const sets = (cpu: number, { flags }: Places, flag: number, what: string): Step =>
  step(
    cpu,
    `sets ${what}`,
    ({ addr, value, before }, name) => name === 'fetchOr' && addr === flags && (value & ~before & flag) !== 0,
  );
const counts = (cpu: number, { prev }: Places): Step =>
  step(cpu, 'counts', ({ addr }, name) => addr === prev && name === 'fetchAdd');
const leaves = (cpu: number, { lruLock }: Places): Step =>
  step(cpu, 'gives lru_lock up', ({ addr }, name) => addr === lruLock && name === 'storeWakeOne');

/** The numbered steps; `twin`: the fixed one can make them, too. */
const SCRIPTS: Readonly<Record<string, { steps: (at: Places) => Step[]; says: RegExp; twin?: true }>> = {
  'mlock-by-page-lock': {
    steps: (at) => [sets(0, at, PG.locked.mask, 'PG_locked'), end(1)],
    says: /^(deadlock|bound)/,
  },
  'mlock-sketch-list': {
    steps: (at) => [sets(0, at, PG.mlocked.mask, 'PG_mlocked'), counts(1, at), end(2)],
    says: /^O-LRU: the prev of list entry .* is no address/,
  },
  'mlock-sketch-count': {
    steps: (at) => [leaves(0, at), counts(1, at), end(0)],
    says: new RegExp(`^O-MLOCK: page 1: mlock_count is ${LIST_POISON_PREV + 2}, of 2 VM_LOCKED`),
  },
  'mlock-sketch-start': {
    steps: (at) => [leaves(0, at), counts(1, at), end(0)],
    says: /^O-MLOCK: page 1: mlock_count is 1, of 2 VM_LOCKED/,
  },
  'mlock-count-lost': {
    steps: (at) => [leaves(0, at), end(1), leaves(0, at), end(2), end(0)],
    says: /^O-MLOCK: the page of vma 1, which is VM_LOCKED, was unmapped/,
    twin: true,
  },
  'munmap-keeps-mlock': {
    steps: () => [end(0), end(1)],
    says: /^O-MLOCK: page 1: PG_mlocked is set with no VM_LOCKED vma/,
    twin: true,
  },
  'munlock-below-zero': {
    steps: () => [end(0), end(1)],
    says: /^O-MLOCK: page 1: PG_mlocked is set with no VM_LOCKED vma/,
    twin: true,
  },
};

const said = ({ failed, said: { thrown, texts } }: Execution): string =>
  [...thrown.map(({ message }) => message), ...texts][0] ?? failed?.reason ?? 'nothing';

async function scripted(scenario: ScenarioDefinition, steps: (at: Places) => Step[]): Promise<Execution> {
  const exploration = await Exploration.open(scenario, { url });
  try {
    const { memMap, zone } = mappedWorld(exploration.cpus, exploration.setup.lock);
    const page = memMap + PAGE_STRUCT_BYTES;
    return await script(
      exploration,
      steps({ flags: page + Page.flags, prev: page + Page.mlock_count, lruLock: zone + Zone.lru_lock }),
    );
  } finally {
    await exploration.close();
  }
}

const forced = inTurn(test, 7);
for (const { name, broken, fixed } of mlockClassics) {
  const { steps, says, twin } = SCRIPTS[name.split('/').at(-1)!]!;
  forced(`${name} happens by its steps`, async () => {
    assert.match(said(await scripted(broken, steps)), says);
    if (twin) assert.is(said(await scripted(fixed, steps)), 'nothing');
  });
}

const hunted = inTurn(test, 7);
for (const { name, broken, fixed } of mlockClassics) {
  const { caughtBy, says = '', model } = broken.mutant!;
  hunted(`${name} is found without them, and its twin is silent (seed ${seed})`, async () => {
    const { failures } = await hunt(broken, { executions: EXECUTIONS, seed, models: [model], url });
    const [failure] = failures;
    assert.ok(failure, `${broken.name} was not found in ${EXECUTIONS} executions`);
    assert.ok(
      (caughtBy === 'progress' ? ASLEEP : [caughtBy]).includes(failure.oracle),
      `${failure.oracle}: ${failure.text}`,
    );
    assert.ok(failure.text.includes(says), failure.text);
    const { same, difference } = await replay(broken, decode(failure.token), { times: REPLAYS, url });
    assert.is(same, REPLAYS, difference);
    const silent = await hunt(fixed, {
      executions: SILENT,
      seed,
      models: ['sc', 'tso', 'weak'],
      detect: DETECTORS.map((each) => each.name),
      url,
    });
    assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
  });
}

test.run();
