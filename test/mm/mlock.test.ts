/**
 * Each design for mlocked pages keeps its law: whatever vmas lock, unlock and unmap, and whatever reclaim does meanwhile, the page says as much as the design promises, and no page of
 * a locked vma loses its entry. Variants that forget a part are seen.
 */
import * as assert from 'uvu/assert';
import { createMachine } from '../../src/memory/index.ts';
import { pgMlocked } from '../../src/mm/mlock/bit.ts';
import { pageCount } from '../../src/mm/mlock/count.ts';
import { MLOCK_DESIGNS, type Mlock, type MlockKernel, type MlockName } from '../../src/mm/mlock/index.ts';
import { COUNT_RULES, lruCount } from '../../src/mm/mlock/lru-count.ts';
import { offLru } from '../../src/mm/mlock/off-lru.ts';
import { refile } from '../../src/mm/mlock/refile.ts';
import { counted, pgReserved } from '../../src/mm/mlock/reserved.ts';
import { MmViolation } from '../../src/mm/oracles/violation.ts';
import { PG } from '../../src/mm/structs.ts';
import { type Actor, defineScenario, type MemoryModel, type ScenarioDefinition } from '../../src/scenario.ts';
import {
  type MappedKernel,
  mappedBytes,
  mappedKernel,
  populate,
  VMAS,
} from '../../src/scenarios/mm/mappings.ts';
import { enumerate, randomly } from '../scenarios/enumerate.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('mlock designs');
type Make = (k: MlockKernel) => Mlock;
const names = Object.keys(MLOCK_DESIGNS) as MlockName[];
const ROUNDS = 400;

function scene(make: Make): MappedKernel & { below(n: number): number } {
  const machine = createMachine({ cpus: 1 });
  const cpu = machine.attach(0, { seed });
  const k = mappedKernel(make)(cpu.isa, cpu, machine.alloc(mappedBytes(1)));
  populate(k, 2, VMAS);
  return Object.assign(k, { below: (n: number) => cpu.below(n) });
}

/** What is wrong now. */
function wrong({ lru, mlock, mappings }: MappedKernel): string | undefined {
  for (let vma = 0; vma < VMAS; vma += 1)
    if (mappings.locked(vma) && mappings.mapped(vma) === 0)
      return `the page of locked vma ${vma} was unmapped`;
  return lru.validate() ?? mlock.validate(mappings.lockedMappers);
}

/** Any operations, one after the other. @returns the first thing wrong */
function firstWrong(make: Make, heed = true): string | undefined {
  const k = scene(make);
  const { below, lru, mappings, pages } = k;
  for (let round = 0; round < ROUNDS; round += 1) {
    const vma = below(VMAS);
    const locked = mappings.locked(vma);
    try {
      switch (below(6)) {
        case 0:
          if (!locked) mappings.mlock(vma);
          break;
        case 1:
          if (locked) mappings.munlock(vma);
          break;
        case 2:
          mappings.munmap(vma);
          break;
        case 3:
          if (mappings.mapped(vma) === 0) mappings.map(vma, pages.pageAt(1));
          break;
        case 4:
          if (lru.isolate(pages.pageAt(1))) {
            if (locked) mappings.munlock(vma);
            else mappings.mlock(vma);
            lru.putback(pages.pageAt(1));
          }
          break;
        default:
          mappings.shrink(2, heed);
      }
    } catch (error) {
      if (error instanceof MmViolation) return error.message;
      throw error;
    }
    const now = wrong(k);
    if (now !== undefined) return now;
  }
  return undefined;
}

/** What becomes of the designs that the thread proposed and that cannot keep their law even alone. */
const ALONE: Partial<Record<MlockName, RegExp>> = {
  'pg-locked': /^O-MLOCK: page 1: PG_locked is clear with [12] VM_LOCKED/,
  sketch: /^O-MLOCK: page 1: mlock_count is -?\d+, of [123] VM_LOCKED/,
};

for (const name of names)
  test(`${name} ${ALONE[name] ? 'breaks' : 'keeps'} its law (seed ${seed})`, () => {
    const first = firstWrong(MLOCK_DESIGNS[name].make);
    if (ALONE[name]) assert.match(first ?? 'nothing', ALONE[name]);
    else assert.is(first, undefined);
  });

for (const [name, knows] of [
  ['bit', true],
  ['count', true],
  ['off-lru', true],
  ['reserved', true],
  ['refile', false],
  ['lru-count', false],
] as const)
  test(`reclaim ${knows ? 'may' : 'must not'} rely on ${name} alone (seed ${seed})`, () => {
    const first = firstWrong(MLOCK_DESIGNS[name].make, false);
    if (knows) assert.is(first, undefined);
    else assert.match(first ?? 'nothing', /^the page of locked vma \d was unmapped/);
  });

/** The kernel with a reverse mapping that finds nobody. */
const alone = (k: MlockKernel): MlockKernel =>
  Object.assign(Object.create(k), { rmap: { mappedLocked: () => false } });

const BUSTED: Readonly<Record<string, Make>> = {
  'bit: clears without a look at others': (k) => pgMlocked(alone(k)),
  'reserved: clears without a look at others': (k) => pgReserved(alone(k)),
  'count: forgets to count down when it unmaps': (k) => ({ ...pageCount(k), unmapLocked() {} }),
  'count: counts down twice': (k) => {
    const made = pageCount(k);
    return { ...made, unmapLocked: (page) => [1, 2].forEach(() => void made.munlockVmaPage(page)) };
  },
  'off-lru: forgets when a page comes back': (k) => ({ ...offLru(k), adding: () => true }),
  'off-lru: forgets to count down when it unmaps': (k) => ({ ...offLru(k), unmapLocked() {} }),
  'lru-count: forgets to count down when it unmaps': (k) => ({ ...lruCount(k), unmapLocked() {} }),
  'lru-count: comes back counted twice': (k) => lruCount(k, { ...COUNT_RULES, returning: 2 }),
  'lru-count: comes back not counted, and counts down': (k) =>
    lruCount(k, { returning: 0, less: (count) => count - 1 }),
  'lru-count: relies on PG_mlocked where it comes back': (k) => ({ ...lruCount(k), adding: () => true }),
};
for (const [what, make] of Object.entries(BUSTED))
  test(`seen: ${what} (seed ${seed})`, () => {
    assert.match(firstWrong(make) ?? 'nothing', /^O-(MLOCK|LRU): /);
  });

test('refiled, a locked page is out of the way after two encounters', () => {
  const encounters = (make: Make): string[] => {
    const k = scene(make);
    k.mappings.mlock(0);
    return Array.from({ length: 3 }, () => {
      k.mappings.shrink(1);
      k.mappings.shrink(1);
      return k.pages.has(k.pages.pageAt(1), PG.active.mask) ? 'active' : 'inactive';
    });
  };
  assert.equal(encounters(refile), ['inactive', 'active', 'active']);
  assert.equal(
    encounters((k) => ({ ...refile(k), foundLocked() {} })),
    ['inactive', 'inactive', 'inactive'],
  );
});

test('a page that becomes reserved while it is mapped leaves the reference of its entry behind', () => {
  const k = scene(pgReserved);
  const page = k.pages.pageAt(1);
  const before = k.pages.count(page);
  const zap = (): void => {
    if (counted(k, page) && k.pages.putTestzero(page)) throw new Error('the last one');
  };
  zap();
  assert.is(k.pages.count(page), before - 1);
  k.mappings.mlock(0);
  zap();
  assert.is(k.pages.count(page), before - 1);
});

test('a page is not freed while a vma is counted to have it locked', () => {
  for (const make of [pageCount, offLru]) {
    const { mlock, mappings, pages } = scene(make);
    mappings.mlock(0);
    assert.throws(() => mlock.freeing(pages.pageAt(1)), /^O-MLOCK: page 1 is freed with 1 mlocks counted/);
    assert.throws(() => [1, 2].forEach(() => void mlock.munlockVmaPage(pages.pageAt(1))), /once more than/);
  }
});

const lock: Actor<MappedKernel> = ({ tools }) => tools.mappings.mlock(1);
const letGo =
  (vma: number): Actor<MappedKernel> =>
  ({ tools: { mappings } }) => {
    mappings.mlock(vma);
    mappings.munlock(vma);
  };
const reclaim: Actor<MappedKernel> = ({ tools: { mappings, lru, pages } }) => {
  if (lru.isolate(pages.pageAt(1))) lru.putback(pages.pageAt(1));
  mappings.shrink(2);
};

/** Two vmas that lock and let go, and reclaim. */
const together = (
  create: ReturnType<typeof mappedKernel>,
  ...actors: Actor<MappedKernel>[]
): ScenarioDefinition =>
  defineScenario<MappedKernel>({
    name: 'together',
    stride: 1,
    state: mappedBytes(actors.length),
    create,
    init: ({ tools }) => populate(tools, 2, 2),
    actors,
    check: ({ tools, fail }) => {
      const now = wrong(tools);
      if (now !== undefined) fail(now);
    },
  }) as unknown as ScenarioDefinition;

/** The first execution that fails, of so many under each model. */
function failing(
  scenario: ScenarioDefinition,
  models: readonly MemoryModel[],
  runs: number,
): string | undefined {
  const run = enumerate(scenario);
  for (const model of models)
    for (let at = 0; at < runs; at += 1) {
      const { oracle, text } = run(randomly(seed + at), model);
      if (oracle !== undefined) return `${model}, seed ${seed + at}: ${oracle}: ${text}`;
    }
  return undefined;
}

for (const name of names.filter((each) => !('broken' in MLOCK_DESIGNS[each]) || each === 'reserved'))
  test(`${name} keeps its law with three CPUs, without a data race (seed ${seed})`, () => {
    const create = mappedKernel(MLOCK_DESIGNS[name].make);
    assert.is(failing(together(create, letGo(0), lock, reclaim), ['sc', 'tso', 'weak'], 15), undefined);
    assert.is(failing(together(create, letGo(0), letGo(1)), ['sc', 'tso', 'weak'], 15), undefined);
  });

const page = { acquire() {}, tryAcquire: () => true, release() {} };
test(`seen: a bit that is cleared and set again without the page lock (seed ${seed})`, () => {
  const first = failing(together(mappedKernel(pgMlocked, { page }), letGo(0), letGo(1)), ['sc'], 1000);
  assert.match(first ?? 'nothing', /O-MLOCK: page 1: PG_mlocked is set with 0 VM_LOCKED vmas/);
});

test(`seen: a counter and its page's place without lru_lock (seed ${seed})`, () => {
  const create = mappedKernel((k) => offLru(Object.assign(Object.create(k), { lru: unlocked(k) })));
  const first = failing(together(create, letGo(0), letGo(1)), ['sc'], 1000);
  assert.match(first ?? 'nothing', /race|O-LRU|O-MLOCK/);
});

function unlocked(k: MlockKernel): MlockKernel['lru'] {
  return {
    lock() {},
    unlock() {},
    detach: (page) => k.lru.detach(page),
    attach: (page) => k.lru.attach(page),
    markPageAccessed: (page) => k.lru.markPageAccessed(page),
  };
}

test.run();
