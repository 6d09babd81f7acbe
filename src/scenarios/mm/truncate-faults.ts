/**
 * Faults on a page that is about to go ("vmtrunc" 1/6, and what Linux 2.6.12 has of it; mm.md R2.10); and what truncation must not do (C2.a, C2.b).
 *
 * A fault reads truncate_count, asks the file for the page, which looks at i_size, and installs the entry under page_table_lock if truncate_count is what it was.
 *
 * nopage-looks-once, nopage-counts-late (R2.10)
 *   1. CPU 1 faults: it sees the old i_size, and has the page
 *   2. CPU 0 makes the file shorter, counts, and finds no entry to take out
 *   3. CPU 1 installs the entry: it does not look at truncate_count again; or it has read it in step 3 only
 *
 * nopage-no-rmb (R2.10, weak memory)
 *   as before; CPU 1 reads truncate_count first, but the load of i_size is performed before it
 *
 * truncate-locks-order (R2.10, of truncation)
 *   i_size is stored, then truncate_count: a write barrier is between the two, and may go, for between them lies i_mmap_lock, taken by a read-modify-write. Where that is a full barrier, as here and on x86,
 *   nobody sees them the other way round; where it only acquires, the barrier is needed, and Linux has one.
 *
 * two-files (C2.a)
 *   CPU 0 truncates a file, CPU 1 another one, CPU 2 reads and writes the part of the first one that stays. Both files are mapped in one address space.
 *
 * restart-vma-reused (C2.b)
 *   CPU 0 breaks V off, CPU 1 unmaps it and maps another file there: the vma is the same object, and 4/6 still thinks of it. It cannot come upon it, for it is in another file's tree.
 */
import { faults, NOPAGE_RULES, type NopageRules } from '../../mm/fault.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import { type Act, inOrder, mmControl, mmRace, pageAt, touch, unmapAt } from './objrmap-scene.ts';
import { cut, design, FILES, fileAt, mapFile, REGIME, scene, VMTRUNC } from './truncate-scene.ts';

const [V, W] = [0x10000, 0x14000] as const;

/** A file that is mapped, and no page of it present. */
const untouched: Act = (context) => {
  scene([])(context);
  mapFile(context.k, { at: V, pages: 1 });
};

const RACE = {
  spec: FILES,
  regime: REGIME,
  caughtBy: 'check',
  says: 'O-TRUNC',
  // By the CPU that comes upon it, or at the end.
  or: [{ caughtBy: 'exception', says: 'O-TRUNC' }],
  init: untouched,
  actors: [cut(0), touch(V, false)],
  fixed: { modules: design('later') },
} as const;

const nopage = (others: Partial<NopageRules>) => (): ReturnType<ReturnType<typeof design>> => ({
  ...design('later')(),
  faults: (k) => faults(k, { ...NOPAGE_RULES, ...others }),
});

/** R2.10. */
export const nopageLooksOnce = mmRace({
  ...RACE,
  name: 'mm/truncate/nopage-looks-once',
  wrong: 'a fault does not look whether its file has become shorter since it asked for the page',
  source: `mm/memory.c, Linux 2.6.9, of which "vmtrunc" makes truncate_count no atomic any more; mm.md R2.10`,
  broken: { modules: nopage({ looksAgain: false }) },
});

/** R2.10. */
export const nopageCountsLate = mmRace({
  ...RACE,
  name: 'mm/truncate/nopage-counts-late',
  wrong: 'a fault reads truncate_count after it has asked the file for the page',
  source: `${VMTRUNC}, 1/6; mm.md R2.10`,
  broken: { modules: nopage({ counts: 'behind' }) },
});

/** R2.10. */
export const nopageNoRmb = mmRace({
  ...RACE,
  model: 'weak',
  name: 'mm/truncate/nopage-no-rmb',
  wrong:
    'a fault may see i_size before truncate_count, though it reads it after: "no cpu can read from the future"',
  source: `${VMTRUNC}, 1/6; the barrier is back in Linux 2.6.12; mm.md R2.10`,
  broken: { modules: nopage({ barrier: false }) },
});

/** R2.10. */
export const truncateLocksOrder = mmControl({
  name: 'mm/truncate/truncate-locks-order',
  why: 'i_size and truncate_count are stored without a barrier of their own, and with a read-modify-write between them',
  source: `${VMTRUNC}, 1/6; the barriers are there in Linux 2.6.12; mm.md R2.10`,
  spec: FILES,
  regime: REGIME,
  modules: design('later', { barriers: false }),
  init: untouched,
  actors: [cut(0), touch(V, false)],
});

/** C2.a. */
export const twoFiles = mmControl({
  name: 'mm/truncate/two-files',
  why: 'files have their own locks and counts, and the part of a file that stays is not touched',
  source: `${VMTRUNC}; mm.md C2.a`,
  spec: FILES,
  regime: REGIME,
  modules: design('later'),
  init: scene(
    [
      { at: V, pages: 2 },
      { at: W, pages: 2, file: 1 },
    ],
    { files: 2 },
  ),
  actors: [cut(1), ({ k }) => void k.truncate.vmtruncate(fileAt(k, 1), 0), touch(V)],
  check: ({ k }) => (pageAt(k, V) === 0 ? 'O-LOST: page 0 of the first file is not mapped' : undefined),
});

/** C2.b. */
export const restartVmaReused = mmControl({
  name: 'mm/truncate/restart-vma-reused',
  why: 'a vma that truncation thinks of, and that is of another file by now, is not in the tree that it goes over',
  source: `${VMTRUNC}, 4/6, in its notes; mm.md C2.b`,
  spec: FILES,
  regime: REGIME,
  modules: design('5/6'),
  init: scene([{ at: V, pages: 2 }], { files: 2 }),
  actors: [
    cut(0),
    inOrder(unmapAt(V), unmapAt(V + PAGE_SIZE), ({ k }) => void mapFile(k, { at: V, pages: 2, file: 1 })),
  ],
});
