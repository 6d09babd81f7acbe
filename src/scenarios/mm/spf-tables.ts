/**
 * Page tables that change or go while a fault that holds no mmap_sem uses them (mm.md R3.1, R3.6, R3.7, R3.8; "Speculative page faults", Laurent Dufour, v6 to v11, 2018).
 *
 * table-freed (R3.1; entries of two words)
 *   1. CPU 0 has walked to the entry of a page that is on the swap device
 *   2. CPU 1 unmaps V; the table goes, once CPU 0 has acknowledged the flush
 *   3. CPU 0 takes page_table_lock, and compares the entry at the old pointer: it lies in a page that is free
 *
 * not-checked-behind (R3.6)
 *   1. CPU 0 looks whether V has changed, and V has not
 *   2. CPU 1 unmaps V: there is nothing to flush, so nobody waits for CPU 0
 *   3. CPU 0 gets page_table_lock, and installs an entry where there is no vma
 *   mprotect, which has the same window in Linux where it changes no entry, always flushes here, page_table_lock held: so it waits for CPU 0.
 *
 * spins-with-interrupts-off (R3.7)
 *   1. CPU 1 unmaps N: with page_table_lock held it waits for CPU 0 to acknowledge the flush
 *   2. CPU 0, interrupts off, waits for page_table_lock
 *
 * pmd-not-checked (R3.8; collapse does not count vm_sequence up here, or that would tell)
 *   1. CPU 0 has walked to its entry
 *   2. CPU 1 collapses the table: it clears the pmd, has CPU 0 acknowledge that, and takes the entries out
 *   3. CPU 0 installs its entry in the old table
 *
 * table-made-for-nobody (R3.8)
 *   1. CPU 0 finds no table
 *   2. CPU 1 unmaps V: there is no table to free
 *   3. CPU 0 makes a table, and then finds that V is gone: nobody frees the table
 */
import { Mm } from '../../mm/structs.ts';
import { type Act, map, mmAt, mmRace, populate, RW, unmapAt } from './objrmap-scene.ts';
import {
  ANON,
  asked,
  empty,
  fault,
  long,
  N,
  REGIME,
  rules,
  SPF,
  speculate,
  swapped,
  V,
  WIDE,
} from './spf-scene.ts';

const SHARED = { spec: ANON, regime: REGIME, fixed: { spf: rules() } } as const;

/** R3.1. */
export const tableFreed = mmRace({
  ...SHARED,
  name: 'mm/spf/table-freed',
  wrong:
    'an entry is compared under the pte lock, by a pointer from before, whatever has become of the table',
  source: `${SPF}: v7 04/24, "Don't assume page-table invariance during faults"; mm.md R3.1`,
  spec: WIDE,
  caughtBy: 'exception',
  says: 'O-PT',
  init: swapped(),
  modules: asked,
  actors: [fault(V), unmapAt(V)],
  broken: { spf: rules({ same: 'mainline' }) },
});

/** R3.6. */
export const notCheckedBehind = mmRace({
  ...SHARED,
  name: 'mm/spf/not-checked-behind',
  wrong: 'whether the vma has changed is looked at before the pte lock is got, and not with it held',
  source: `${SPF}: pte_map_lock; mm.md R3.6`,
  caughtBy: 'check',
  says: 'O-VMA',
  init: empty,
  actors: [fault(V), unmapAt(V)],
  broken: { spf: rules({ vmaBehind: false }) },
});

/** R3.7. */
export const spinsWithInterruptsOff = mmRace({
  ...SHARED,
  name: 'mm/spf/spins-with-interrupts-off',
  wrong:
    'the pte lock is waited for with interrupts off: its holder may wait for this CPU to acknowledge a flush',
  source: `${SPF}: pte_spinlock; mm.md R3.7`,
  caughtBy: 'progress',
  init: empty,
  actors: [fault(V), unmapAt(N)],
  broken: { spf: rules({ tries: false }) },
});

const collapse: Act = ({ k }) => void k.collapse.collapseHugePage(mmAt(k), V);

/** R3.8. */
export const pmdNotChecked = mmRace({
  ...SHARED,
  name: 'mm/spf/pmd-not-checked',
  wrong: 'the pte lock is got without a look at the pmd: the table may have been collapsed since the walk',
  source: `${SPF}: pte_map_lock, CONFIG_TRANSPARENT_HUGEPAGE; mm.md R3.8`,
  spec: WIDE,
  caughtBy: 'check',
  says: 'O-MAP',
  init: long(8),
  actors: [speculate(V), collapse],
  broken: { spf: rules({ pmdBefore: false, writers: { collapse: false } }) },
  fixed: { spf: rules({ writers: { collapse: false } }) },
});

/** R3.8. */
export const tableMadeForNobody = mmRace({
  ...SHARED,
  name: 'mm/spf/table-made-for-nobody',
  wrong: 'a fault without mmap_sem makes the table that it does not find, for a vma that may be gone',
  source: `${SPF}: "no page table allocation"; mm.md R3.8`,
  caughtBy: 'check',
  says: 'O-LEAK',
  init({ k }) {
    k.mms.create();
    map(k, V, RW, 0, 0x20000);
    populate(k, V);
  },
  actors: [speculate(0x20000), unmapAt(0x20000)],
  check({ k }) {
    const tables = k.isa.read(mmAt(k) + Mm.nr_ptes);
    return tables === 1 ? undefined : `O-LEAK: there are ${tables} tables, and vmas for one of them`;
  },
  broken: { spf: rules({ noTable: 'populate' }) },
});
