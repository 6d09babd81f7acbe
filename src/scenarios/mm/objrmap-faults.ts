/**
 * Faults beside faults: two hold mmap_sem for reading, and what keeps them apart is not enough (mm.md R0.10, R0.11), or they come in the order that nobody thought of.
 *
 * vma-ptl-shared-tables (R0.10)
 *   page_table_lock is the vma's, for upper levels, too. Two vmas are neighbours, below one entry of the pgd.
 *   1. CPU 0 faults in vma A, and finds no table
 *   2. CPU 1 faults in vma B, holding another lock, and finds none either
 *   3. CPU 0 installs its table
 *   4. CPU 1 installs its own over it: what CPU 0 maps from here on nobody finds
 *   The fixed twin takes the lock of the address space for upper levels, as Linux 2.6.15 did when it split page_table_lock.
 *
 * stack-grows-negative (R0.11; CVE-2005-0001, up to Linux 2.6.10)
 *   1. CPU 0 and CPU 1 find the stack above their addresses X and Y; Y is above X
 *   2. CPU 0 takes page_table_lock, and the stack begins at X
 *   3. CPU 1 takes it, and does not look again: the stack begins at Y, and the page at X is in no vma
 *
 * stack-grows-unlocked (R0.11; -mjb)
 *   expand_stack looks again, and takes no lock
 *   1. CPU 1 sees that the stack begins above Y
 *   2. CPU 0 lets it begin at X
 *   3. CPU 1 lets it begin at Y, and counts the pages of both off the same vm_pgoff
 *   total_vm loses a count as well, sooner than that: O-RSS is not asked of the broken one.
 *
 * swapin-youngest-anon-vma (Linux 2.6.34, commit ea90002b0fa7)
 *   A page that parent and child have on the swap device is set to the anon_vma of whoever maps it first.
 *   1. CPU 0: the child reads it. It belongs to the child's own anon_vma, which no vma of the parent is on
 *   2. CPU 1: the parent reads it. The reverse mapping does not find that entry: the page cannot be reclaimed, and when the child exits it is left with an anon_vma that is gone
 *   The fixed twin sets it to the root, which all of the family are on. If the parent comes first both are right.
 */
import type { Kernel } from '../../mm/kernel.ts';
import { VM } from '../../mm/structs.ts';
import { uncheckedStack } from '../../mm/variants/stack/unchecked.ts';
import { A, B, map, mmAt, mmRace, populate, RW, SMALL, THREAD, touch, tree } from './objrmap-scene.ts';

const SPEC = { ...SMALL, vmas: 3, anonVmas: 4, chains: 8 };

/** R0.10. */
export const vmaPtlSharedTables = mmRace({
  name: 'mm/objrmap/vma-ptl-shared-tables',
  wrong:
    'a page_table_lock for each vma protects the upper levels, too, which vmas share: two faults install a table each, and the second hides the first',
  source: `${THREAD}: Andrew Morton's question and Dave McCracken's objection, 26 March; mm.md R0.10`,
  caughtBy: 'check',
  says: 'O-PT',
  spec: SPEC,
  init({ k }) {
    k.mms.create();
    map(k, A);
    map(k, B);
  },
  actors: [touch(A), touch(B)],
  broken: { regime: tree('vma-ptl-naive') },
  fixed: { regime: tree('vma-ptl') },
});

/** A stack of one page, and two addresses below it. */
const [STACK, X, Y] = [0x18000, 0x14000, 0x16000] as const;
const twoGrowers = {
  caughtBy: 'check',
  says: 'O-VMA',
  spec: SPEC,
  init: ({ k }: { k: Kernel }) => {
    k.mms.create();
    map(k, STACK, RW | VM.GROWSDOWN);
  },
  actors: [touch(X), touch(Y)],
} as const;

/** R0.11. */
export const stackGrowsNegative = mmRace({
  ...twoGrowers,
  name: 'mm/objrmap/stack-grows-negative',
  wrong:
    'expand_stack takes page_table_lock and does not look again: who comes second makes the stack smaller',
  source: 'CVE-2005-0001 (Paul Starzetz); expand_stack up to Linux 2.6.10; mm.md R0.11',
  broken: { regime: tree('L'), modules: { stack: uncheckedStack } },
  fixed: { regime: tree('L') },
});

/** R0.11. */
export const stackGrowsUnlocked = mmRace({
  ...twoGrowers,
  name: 'mm/objrmap/stack-grows-unlocked',
  wrong: 'expand_stack holds mmap_sem for reading only: two threads move the start of one stack',
  source: `${THREAD}: the -mjb trees; Andrea Arcangeli, 23 April 2004, <20040423022732.GU29954@dualathlon.random>; mm.md R0.11`,
  broken: { regime: tree('J2'), except: ['O-RSS'] },
  fixed: { regime: tree('L') },
});

/** Shown by the model, and repaired in Linux. */
export const swapinYoungestAnonVma = mmRace({
  name: 'mm/objrmap/swapin-youngest-anon-vma',
  wrong:
    'a page that comes from swap belongs to the anon_vma of the vma that maps it first: if that is the child, the entry of the parent is not found',
  source: 'Linux 2.6.34, commit ea90002b0fa7',
  caughtBy: 'check',
  says: 'O-MAP',
  spec: { ...SPEC, frames: 14, mms: 2 },
  regime: tree('A4'),
  init({ k }) {
    k.mms.create();
    map(k, A);
    populate(k, A);
    k.reclaim.shrinkInactive(1);
    k.mms.fork(mmAt(k));
  },
  actors: [touch(A, false, 1), touch(A, false, 0)],
  broken: {
    modules: {
      rmap(k, original) {
        const made = original(k);
        return { ...made, addAnon: made.addNewAnon };
      },
    },
  },
  fixed: {},
});
