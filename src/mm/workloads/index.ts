/** The workloads of the model that ship: the mixes of docs/mm.md, and all operations at once. */
import type { WorkloadDefinition } from '../../workload.ts';
import { BALLOON_DESIGNS } from '../drivers/rules.ts';
import { HOOKS } from '../movable/hooks.ts';
import { REGIMES } from '../regime.ts';
import { defineMmWorkload } from '../workload.ts';
import { T2 } from './files.ts';
import { MIGRATION, migrationMix, T4 } from './migrate.ts';
import { MORE, T0, T1 } from './operations.ts';
import { speculationNotes, T3 } from './spf.ts';

const names = (first: string, of = REGIMES): string[] => {
  const all = of.map(({ name }) => name);
  return [first, ...all.filter((name) => name !== first)];
};

/** T0: the thread "230-objrmap fixes for 2.6.3-mjb2". */
export const objrmap = defineMmWorkload({ name: 'mm/objrmap', operations: T0, regimes: names('L') });

/** T1: the thread "mm: Optimize page_lock_anon_vma". */
export const anonVma = defineMmWorkload({
  name: 'mm/anon-vma',
  operations: T1,
  regimes: names(
    'A4',
    REGIMES.filter(({ anonRmap }) => anonRmap === 'anon_vma'),
  ),
  spec: { anonVmas: 32 },
});

/** T2: the series "vmtrunc", under the locks of its time. */
export const truncate = defineMmWorkload({
  name: 'mm/truncate',
  operations: T2,
  regimes: names('AM'),
  also: ['O-STAMP'],
});

/** T3: speculative page faults, under locks that have vmas for mmap_sem alone and page_table_lock for entries. */
export const spf = defineMmWorkload({
  name: 'mm/spf',
  operations: T3,
  spaces: 2,
  regimes: ['AM'],
  // `v7` does not end what it has begun with an entry that has changed (R3.2), which is not for mixes.
  designs: {
    v11: { spf: 'v11' },
    v10: { spf: 'v10' },
    v5: { spf: 'v5' },
    rcu: { spf: 'rcu' },
    'per-vma-lock': { spf: 'per-vma-lock' },
    off: {},
  },
  notes: ({ k }) => speculationNotes(k.spf.counters()),
});

/** T0 and T1, with mremap, madvise and brk; first under locks that hold against growing stacks, too, which those of `A4` do not. */
export const all = defineMmWorkload({
  name: 'mm/all',
  operations: { ...T1, ...T0, walk: { ...T1.walk, weight: 20 }, ...MORE },
  regimes: names('AM'),
});

/** T4: the thread "mm: migrate: support non-lru movable page migration"; pages of drivers, and none of address spaces. */
export const migrate = defineMmWorkload({
  name: 'mm/migrate',
  ...MIGRATION,
  regimes: names('AM'),
});

/** T4 before that series: hooks for the balloon, whose pages alone are moved. */
export const migrateHooks = defineMmWorkload({
  name: 'mm/migrate-hooks',
  ...migrationMix({ balloon: BALLOON_DESIGNS['4.7'] }),
  modules: HOOKS,
  regimes: names('AM'),
});

/** T0, T3 and T4 on the frames of one machine: faults speculate while pages of address spaces and of drivers are moved. */
export const cross = defineMmWorkload({
  name: 'mm/cross',
  ...MIGRATION,
  operations: { ...T3, ...T0, ...T4 },
  regimes: ['AM'],
  designs: { v11: { spf: 'v11' }, 'per-vma-lock': { spf: 'per-vma-lock' }, off: {} },
  notes: ({ k }) => speculationNotes(k.spf.counters()),
});

export const mmWorkloads: readonly WorkloadDefinition[] = [
  objrmap,
  anonVma,
  truncate,
  spf,
  all,
  migrate,
  migrateHooks,
  cross,
] as unknown as WorkloadDefinition[];
