/**
 * The races of the thread of 2004 over the whole kernel (mm.md R0.1 to R0.6, R0.10, R0.11): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle
 * that it names, and comes back from its token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { type Execution, Exploration } from '../../harness/explore/exploration.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import { replay } from '../../harness/explore/replay.ts';
import { decode } from '../../harness/explore/token.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import type { Classic } from '../../src/scenarios/classic.ts';
import type { Control } from '../../src/scenarios/mm/control.ts';
import * as controls from '../../src/scenarios/mm/objrmap-controls.ts';
import * as faults from '../../src/scenarios/mm/objrmap-faults.ts';
import * as locks from '../../src/scenarios/mm/objrmap-locks.ts';
import * as reserved from '../../src/scenarios/mm/objrmap-reserved.ts';
import * as vmas from '../../src/scenarios/mm/objrmap-vmas.ts';
import { type Step, script } from '../fixtures/mm/script.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('races of 2004 over the whole kernel');
const LONG = process.env.LOCKRIG_LONG === '1';
const EXECUTIONS = 10_000;
const SILENT = LONG ? 300 : 60;
const REPLAYS = 3;
const DEADLINE = { deadline: 120_000 };
/** What the hunt calls it when somebody waits for what nobody gives up. */
const ASLEEP = ['progress', 'wakeup', 'lock-order'];

const all: readonly (Classic | Control)[] = [vmas, reserved, locks, faults, controls].flatMap((module) =>
  Object.values<Classic | Control>(module),
);
const races = all.filter((each): each is Classic => 'broken' in each);

/** A step in words: who, by which operation, on which word, for the how manieth time since the step before; without a word, to its end. */
interface Told {
  readonly cpu: number;
  readonly op?: string;
  readonly word?: string;
  readonly value?: number;
  readonly times?: number;
}

const end = (cpu: number): Told => ({ cpu });
const by = (cpu: number, op: string, word = '', more: Pick<Told, 'value' | 'times'> = {}): Told => ({
  cpu,
  op,
  word,
  ...more,
});
const VMA = 'vm_area_struct';

/** The numbered steps at the heads of the files, and what comes of them. */
const STEPS: Readonly<Record<string, readonly [says: RegExp, ...steps: Told[]]>> = {
  'detach-outside-ptl': [
    /CPU 1 accesses vm_area_struct#1\.\w+, which CPU 1 has freed/,
    by(0, 'readOnce', `${VMA}#1.vm_start`),
    by(1, 'writeOnce', 'mm_struct#0.mmap_cache', { value: 0 }),
    end(0),
    end(1),
  ],
  'detach-hides-vma': [
    /^O-MLOCK: reclaim has taken the page of a VM_LOCKED vma/,
    by(0, 'readOnce', `${VMA}#1.vm_start`),
    by(1, 'write', `${VMA}#1.vm_rb.rb_left`),
    end(0),
    end(1),
  ],
  'merge-frees-vma-of-swapoff': [
    /CPU 0 accesses vm_area_struct#1\.vm_flags, which CPU 1 has freed/,
    by(0, 'read', `${VMA}#1.vm_end`),
    end(1),
    end(0),
  ],
  'merge-frees-vma-of-swapout': [
    /CPU 0 accesses vm_area_struct#1\.vm_flags, which CPU 1 has freed/,
    by(0, 'readOnce', `${VMA}#1.vm_start`, { times: 2 }),
    end(1),
    end(0),
  ],
  'unuse-passes-over': [
    /^O-SWAPOFF: 0x12000 of mm_struct#0 holds swap entry 1 of a device that is gone/,
    by(0, 'read', `${VMA}#0.vm_end`),
    end(1),
    end(0),
  ],
  'reserved-swapped-out': [/^O-RSV1: 0x10000 of mm_struct#0, .* holds swap entry 1/, end(0), end(1)],
  'reserved-frame-reused': [
    /^O-TAG: page\[\d+\] is a user's, and holds what the device has written/,
    end(0),
    end(1),
    end(2),
  ],
  'reserved-bug-on': [/^O-RSV1: BUG_ON/, end(0)],
  'swapout-waits-for-ptl': [
    /^deadlock/,
    by(0, 'readOnce', 'address_space#0.truncate_count', { times: 2 }),
    by(1, 'casFailed', 'mm_struct#0.page_table_lock'),
    end(0),
  ],
  'swapoff-waits-for-mmap-sem': [
    /^deadlock/,
    by(0, 'compareExchange', 'mm_struct#0.mm_users'),
    by(1, 'wait'),
    by(2, 'wait'),
    end(0),
  ],
  'vma-ptl-shared-tables': [
    /^O-PT: page\[\d+\] is a page table, and no entry leads to it/,
    by(1, 'loadAcquire', 'page_table[1].entry[0]'),
    end(0),
    end(1),
  ],
  'stack-grows-negative': [
    /^O-VMA: there is an entry for 0x14000 of mm_struct#0, and no vma there/,
    by(1, 'readOnce', `${VMA}#0.vm_start`, { times: 2 }),
    end(0),
    end(1),
  ],
  'stack-grows-unlocked': [
    /^O-VMA: there is an entry for 0x14000 of mm_struct#0, and no vma there/,
    by(1, 'readOnce', `${VMA}#0.vm_start`, { times: 3 }),
    end(0),
    end(1),
  ],
  'swapin-youngest-anon-vma': [
    /^O-MAP: page\[\d+\] is mapped at 0x10000 of mm_struct#0, and reverse mapping does not find it there/,
    end(0),
    end(1),
  ],
  'mlock-counted-twice': [
    /^O-MLOCK: page\[\d+\] is counted 2 times, and 1 VM_LOCKED vma maps it/,
    by(0, 'writeOnce', `${VMA}#0.vm_flags`),
    end(1),
    end(0),
  ],
  'flags-without-ptl': [
    /^nothing$/,
    by(1, 'readOnce', `${VMA}#0.vm_flags`),
    by(0, 'writeOnce', `${VMA}#0.vm_flags`),
    end(1),
    end(0),
  ],
};

const shortOf = (name: string): string => name.split('/').at(-1)!;

const said = ({ failed, said: { thrown, texts, found } }: Execution): string =>
  [...thrown.map(({ message }) => message), ...texts, ...found.map(({ finding }) => finding.text)][0] ??
  failed?.reason ??
  'nothing';

/** Forces the steps of a scenario. @returns what is said of it */
async function forced(scenario: ScenarioDefinition, told: readonly Told[]): Promise<string> {
  const exploration = await Exploration.open(scenario);
  const { cpus, setup } = exploration;
  const step = ({ cpu, op, word = '', value, times = 1 }: Told): Step[] => {
    if (op === undefined) return [{ cpu, until: 'its end' }];
    const until = `${op} ${word}`;
    const is: Step['is'] = (event, name) =>
      name === op &&
      (value === undefined || event.value === value) &&
      (word === '' || (scenario.names?.(event.addr, setup.lock, cpus) ?? '').split('|').includes(word));
    return Array.from({ length: times }, () => ({ cpu, until, is }));
  };
  try {
    return said(await script(exploration, told.flatMap(step)));
  } finally {
    await exploration.close();
  }
}

test('each of them has its steps', () => {
  for (const { name } of races) assert.ok(STEPS[shortOf(name)], name);
});

const stepwise = inTurn(test, 4);
for (const [name, [says, ...told]] of Object.entries(STEPS)) {
  const found = all.find((each) => shortOf(each.name) === name)!;
  stepwise(
    `${name} ${'broken' in found ? 'happens' : 'is harmless'} by its steps`,
    async () => assert.match(await forced('broken' in found ? found.broken : found.scenario, told), says),
    DEADLINE,
  );
}

async function silent(scenario: ScenarioDefinition): Promise<void> {
  const { verdict, failures } = await hunt(scenario, {
    executions: SILENT,
    seed,
    models: ['sc', 'tso', 'weak'],
    detect: DETECTORS.map((each) => each.name),
  });
  assert.is(verdict, 'clean', failures[0]?.text);
}

const hunted = inTurn(test, 5);
for (const { name, broken, fixed } of races) {
  const { caughtBy, says = '', model } = broken.mutant!;
  hunted(
    `${name} is found without them, and its twin is silent (seed ${seed})`,
    async () => {
      const { failures } = await hunt(broken, { executions: EXECUTIONS, seed, models: [model] });
      const [failure] = failures;
      assert.ok(failure, `${broken.name} was not found in ${EXECUTIONS} executions`);
      const oracles = caughtBy === 'progress' ? ASLEEP : [caughtBy];
      assert.ok(oracles.includes(failure.oracle), `${failure.oracle}: ${failure.text}`);
      assert.ok(failure.text.includes(says), failure.text);
      const { same, difference } = await replay(broken, decode(failure.token), { times: REPLAYS });
      assert.is(same, REPLAYS, difference);
      await silent(fixed);
    },
    DEADLINE,
  );
}

const calm = inTurn(test, 2);
for (const each of all)
  if ('scenario' in each)
    calm(`${each.name} is silent (seed ${seed})`, () => silent(each.scenario), DEADLINE);

test.run();
