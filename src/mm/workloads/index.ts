/** The workloads of the model that ship: the mixes of docs/mm.md, and all operations at once. */
import type { WorkloadDefinition } from '../../workload.ts';
import { REGIMES } from '../regime.ts';
import { defineMmWorkload } from '../workload.ts';
import { T2 } from './files.ts';
import { MIGRATION, T4 } from './migrate.ts';
import { MORE, T0, T1 } from './operations.ts';

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

/** T0 and T4 on the frames of one machine: pages of address spaces are moved, too. */
export const cross = defineMmWorkload({
  name: 'mm/cross',
  ...MIGRATION,
  operations: { ...T0, ...T4 },
  regimes: names('AM'),
});

export const mmWorkloads: readonly WorkloadDefinition[] = [
  objrmap,
  anonVma,
  truncate,
  all,
  migrate,
  cross,
] as unknown as WorkloadDefinition[];
