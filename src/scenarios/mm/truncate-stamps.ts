/**
 * What a stamp says of a vma that is another by now, or has other entries ("vmtrunc" 4/6, 5/6, 7/6; mm.md R2.5 to R2.7, R2.9). V comes before W in the file's tree; a block is a page.
 *
 * restart-by-address (R2.5)
 *   1. CPU 0 breaks V off at its second page, P, and gives i_mmap_lock away
 *   2. CPU 1 unmaps V: it is freed
 *   3. CPU 1 splits W, which lies below: the new part is where V was, and has entries
 *   4. CPU 0 meets V, and goes on at P: behind its end, so V is done
 *   The posted patch looks whether P is the same page of the file, and takes V for a new one that nobody can have faulted into: done, too.
 *
 * restart-isomorphic (R2.6; the fault of 4/6 as posted)
 *   as before, but W is of another address space, at the addresses of V, and of the same pages: the part is V in all that is asked, and CPU 0 leaves its first page out
 *
 * restart-outlives-split (R2.6; of 7/6)
 *   1. CPU 0 makes the file one page long, and breaks V off at its third page
 *   2. CPU 1 unmaps V from its second page on: there is nothing left of it that CPU 0 looks for
 *   3. CPU 0 makes the file empty: V goes on behind its end, so it is done
 *
 * stamp-copied-early (R2.9a)
 *   1. CPU 0 makes the file two pages long, and breaks V off at its fourth page, since CPU 2 waits
 *   2. CPU 1 splits V: it copies the stamp, and waits for i_mmap_lock
 *   3. CPU 0 is done with V, and makes the file shorter once more
 *   4. CPU 1 links the upper part, which goes on at its last page: CPU 0 leaves its first one out
 *
 * merge-keeps-stamp (R2.9b)
 *   1. CPU 0 is done with V, and gives i_mmap_lock away
 *   2. CPU 1 maps what lies between V and W: V takes both over
 *   3. CPU 0 passes V over: the page of W stays
 *
 * mremap-keeps-stamp (R2.9c)
 *   1. CPU 0 is done with V, and gives i_mmap_lock away
 *   2. CPU 1 moves W: the new vma is stamped as one without pages, and gets those of W
 *   3. CPU 0 passes it over
 *
 * new-vmas-unstamped (R2.9d)
 *   1. CPU 0 gives i_mmap_lock away
 *   2. CPU 1 maps the file once more
 *   3. CPU 0 looks at that, too, and who goes on mapping keeps it at it
 *
 * fork-child-first (R2.9e)
 *   1. CPU 1 forks: the child's vma is linked before the parent's
 *   2. CPU 0 is done with the child's
 *   3. CPU 1 copies the entries of the parent
 *   4. CPU 0 takes those of the parent out
 *
 * count-wraps, count-stays-0 (R2.7)
 *   1. V was done when the count, of four bits, was 1; fourteen truncations later it comes to 0
 *   2. vmas are not reset, and the next number is 1: V is done; or they are reset, and the number is 0: all of them are done
 */
import { PAGE_SIZE } from '../../mm/pte.ts';
import type { MmContext } from '../../mm/scenario.ts';
import { AddressSpace, Vma } from '../../mm/structs.ts';
import { STAMPS } from '../../mm/truncate/rules.ts';
import { type Act, inOrder, mmAt, mmRace, touch } from './objrmap-scene.ts';
import { cut, design, FILES, fileAt, mapFile, REGIME, scene, VMTRUNC, want } from './truncate-scene.ts';

const [LOW, V, W] = [0x8000, 0x10000, 0x14000] as const;
const SHARED = { spec: FILES, regime: REGIME, caughtBy: 'exception', says: 'O-TRUNC' } as const;

const unmap =
  (address: number, pages: number, mm = 0): Act =>
  ({ k }) =>
    void k.maps.munmap(mmAt(k, mm), address, pages * PAGE_SIZE);
/** Gives so many pages other rights. Behind them the vma is parted: the new one is what lies below; or before them: it is what lies above. */
const protect =
  (address: number, pages: number, mm = 0): Act =>
  ({ k }) =>
    void k.maps.mprotect(mmAt(k, mm), address, pages * PAGE_SIZE, 1);

/** R2.5. */
export const restartByAddress = mmRace({
  ...SHARED,
  name: 'mm/truncate/restart-by-address',
  wrong:
    'truncation goes on in a vma by its address alone: what was freed and made anew meanwhile is taken for done up to there',
  source: `${VMTRUNC}, 4/6; mm.md R2.5`,
  init: scene([
    { at: V, pages: 2 },
    { at: LOW, pages: 2 },
  ]),
  actors: [cut(0), inOrder(unmap(V, 2), protect(LOW, 1))],
  broken: { modules: design('5/6', { resumes: 'by address' }) },
  fixed: { modules: design('later') },
});

/** R2.6. */
export const restartIsomorphic = mmRace({
  ...SHARED,
  name: 'mm/truncate/restart-isomorphic',
  wrong:
    'truncation knows a vma that it has broken off by its address and pgoff: the part of another, of the same pages at the same addresses, is taken for it',
  source: `${VMTRUNC}, 4/6, mended by 7/6; mm.md R2.6`,
  spec: { ...FILES, mms: 2 },
  init: scene(
    [
      { at: V, pages: 2 },
      { at: V, pages: 3, mm: 1 },
    ],
    { mms: 2 },
  ),
  actors: [cut(0), inOrder(unmap(V, 2), protect(V, 2, 1))],
  broken: { modules: design('5/6') },
  fixed: { modules: design('later') },
});

/** R2.6. */
export const restartOutlivesSplit = mmRace({
  ...SHARED,
  name: 'mm/truncate/restart-outlives-split',
  wrong:
    'a vma that is cut off keeps the address at which truncation would go on, which is not in it any more',
  source: 'mm.md R2.6: derived from 7/6; Hugh Dickins, 29 December 2010',
  init: scene([{ at: V, pages: 3 }]),
  actors: [cut(1, 0), unmap(V + PAGE_SIZE, 2)],
  broken: { modules: design('7/6', { alone: true }) },
  fixed: { modules: design('later') },
});

/** R2.9a. */
export const stampCopiedEarly = mmRace({
  ...SHARED,
  name: 'mm/truncate/stamp-copied-early',
  wrong: 'split copies the stamp of a vma before it holds i_mmap_lock',
  source: `${VMTRUNC}, 5/6; mm.md R2.9a`,
  init: scene([{ at: V, pages: 4 }]),
  actors: [cut(2, 1), protect(V + PAGE_SIZE, 3), want(1)],
  broken: { modules: design('7/6', { alone: true, vmas: { ...STAMPS, split: 'copied before' } }) },
  fixed: { modules: design('later') },
});

/** R2.9b. */
export const mergeKeepsStamp = mmRace({
  ...SHARED,
  name: 'mm/truncate/merge-keeps-stamp',
  wrong: 'a vma that truncation is done with takes over one that it is not done with',
  source: `${VMTRUNC}, 5/6; mm.md R2.9b`,
  init: scene([
    { at: V, pages: 1 },
    { at: V + 2 * PAGE_SIZE, pages: 1, pgoff: 2 },
  ]),
  actors: [cut(0), ({ k }) => void mapFile(k, { at: V + PAGE_SIZE, pages: 1, pgoff: 1 })],
  broken: { modules: design('later', { vmas: { ...STAMPS, merged: 'kept' } }) },
  fixed: { modules: design('later') },
});

/** R2.9c. */
export const mremapKeepsStamp = mmRace({
  ...SHARED,
  name: 'mm/truncate/mremap-keeps-stamp',
  wrong: 'mremap moves pages to a vma that truncation is done with',
  source: `${VMTRUNC}, 5/6; mm.md R2.9c`,
  init: scene([
    { at: V, pages: 1 },
    { at: W, pages: 1 },
  ]),
  actors: [cut(0), ({ k }) => void k.mremap.mremap(mmAt(k), W, PAGE_SIZE, PAGE_SIZE, 1, 0x18000)],
  broken: { modules: design('later', { vmas: { ...STAMPS, moved: 'kept' } }) },
  fixed: { modules: design('later') },
});

/** R2.9d. */
export const newVmasUnstamped = mmRace({
  ...SHARED,
  says: 'O-LIVE',
  name: 'mm/truncate/new-vmas-unstamped',
  wrong:
    'truncation looks at mappings that are made meanwhile, which have none of its pages: there may always be one more',
  source: `${VMTRUNC}, 5/6; mm.md R2.9d`,
  init: scene([
    { at: V, pages: 1 },
    { at: W, pages: 1 },
  ]),
  actors: [cut(0), ({ k }) => void mapFile(k, { at: 0x18000, pages: 1 })],
  broken: { modules: design('later', { vmas: { ...STAMPS, linked: 'unstamped' } }, { more: true }) },
  fixed: { modules: design('later', {}, { more: true }) },
});

const childFirst: ReturnType<typeof design> = () => ({
  ...design('later')(),
  iMmap(k, original) {
    const made = original(k);
    return {
      ...made,
      insertAfter(parent, child) {
        made.remove(parent);
        made.insert(child);
        made.insertAfter(child, parent);
      },
    };
  },
});

/** R2.9e. */
export const forkChildFirst = mmRace({
  ...SHARED,
  name: 'mm/truncate/fork-child-first',
  wrong:
    'fork puts the child’s vma before the parent’s: truncation is done with it before the entries are copied',
  source: `${VMTRUNC}, 5/6; mm.md R2.9e`,
  spec: { ...FILES, mms: 2 },
  init: scene([{ at: V, pages: 1 }]),
  actors: [cut(0), ({ k }) => void k.mms.fork(mmAt(k))],
  broken: { modules: childFirst },
  fixed: { modules: design('later') },
});

/** V is done, as of a truncation with the number 1. */
function wrapping(context: MmContext): void {
  scene([{ at: V, pages: 1 }])(context);
  const { k } = context;
  k.isa.writeOnce(fileAt(k) + AddressSpace.truncate_count, 15);
  k.isa.write(k.vmaTree.findVma(mmAt(k), V) + Vma.vm_truncate_count, 1);
}

const WRAPS = {
  ...SHARED,
  init: wrapping,
  actors: [cut(0), touch(V, false)],
  fixed: { modules: design('5/6', { width: 4 }) },
};

/** R2.7. */
export const countWraps = mmRace({
  ...WRAPS,
  name: 'mm/truncate/count-wraps',
  wrong:
    'the number of a truncation comes round, and a vma that was done with that number before is passed over',
  source: `${VMTRUNC}, 4/6; mm.md R2.7`,
  broken: { modules: design('5/6', { width: 4, wrap: 'no reset' }) },
});

/** R2.7. */
export const countStays0 = mmRace({
  ...WRAPS,
  name: 'mm/truncate/count-stays-0',
  wrong: 'vmas are reset to 0 when the number of a truncation comes round, and 0 is its number',
  source: `${VMTRUNC}, 4/6; mm.md R2.7`,
  broken: { modules: design('5/6', { width: 4, wrap: 'stays 0' }) },
});
