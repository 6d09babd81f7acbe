/**
 * How unmap_mapping_range goes over the vmas of a file ("vmtrunc" 4/6; mm.md R2.1 to R2.4, R2.8, R2.11 to R2.13). V and W are vmas of the file, in this order in its tree; a block is a page.
 *
 * holds-i-mmap-lock (R2.1, before the patch)
 *   1. CPU 0 truncates: it takes a page out of V, with i_mmap_lock held
 *   2. CPU 1 wants i_mmap_lock
 *   3. CPU 0 takes the next page out, and the next, to the last page of the last vma
 *
 * iterates-on (R2.2)
 *   1. CPU 0 is done with V, and gives i_mmap_lock away
 *   2. CPU 1 unmaps V, and frees it
 *   3. CPU 0 asks for the vma behind V
 *
 * no-stamps (R2.3)
 *   1. CPU 0 is done with V, and gives i_mmap_lock away because CPU 1 wants it
 *   2. it starts over, and looks at V
 *
 * no-restart (R2.4)
 *   as before, but it was in the midst of V, and begins it anew
 *
 * list-before-tree (R2.8)
 *   1. CPU 0 has gone over the list, is done with V in the tree, and gives i_mmap_lock away
 *   2. CPU 1 remaps a page of W: W goes from the tree to the list
 *   3. CPU 0 does not meet W: its other page stays mapped
 *
 * no-regather (R2.11)
 *   1. CPU 0 breaks V off: its gather is over, and its page off rss
 *   2. it is ended once more
 *
 * small-vmas-hold (R2.12)
 *   as R2.1, with V and W of a page each: it looks whether somebody waits in the midst of a vma only
 *
 * restarts-for-ptl (R2.12)
 *   1. CPU 0 is done with a block of V, CPU 1 wants page_table_lock
 *   2. CPU 0 gives i_mmap_lock away, too, and has lost its place
 *
 * two-at-once (R2.13; Linux 2.6.38, commit 2aa15890f3c1)
 *   1. CPU 0 has taken page 0 out of V
 *   2. CPU 1 touches page 0, and wants to take pages out, too
 *   3. CPU 0 breaks V off at page 2
 *   4. CPU 1 goes on there, and returns: page 0 is mapped
 */
import { MmViolation } from '../../mm/oracles/violation.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import { type Act, inOrder, mmAt, mmRace, pageAt, touch, unmapAt } from './objrmap-scene.ts';
import { cut, design, FILES, fileAt, REGIME, scene, VMTRUNC, want } from './truncate-scene.ts';

const [V, W] = [0x10000, 0x14000] as const;
const SHARED = { spec: FILES, regime: REGIME, caughtBy: 'exception', says: 'O-LIVE' } as const;
const LARGE = scene([{ at: V, pages: 3 }]);
const SMALL_VMAS = scene([
  { at: V, pages: 1 },
  { at: W, pages: 1 },
]);

/** R2.1. */
export const holdsIMmapLock = mmRace({
  ...SHARED,
  name: 'mm/truncate/holds-i-mmap-lock',
  wrong: 'truncation holds i_mmap_lock until every page of every mapping is gone',
  source: `${VMTRUNC}, 4/6, of 2.6.9; mm.md R2.1`,
  init: LARGE,
  actors: [cut(0), want(1)],
  broken: { modules: design('trunc3', {}, { contended: true }) },
  fixed: { modules: design('later', {}, { contended: true }) },
});

/** R2.2. */
export const iteratesOn = mmRace({
  ...SHARED,
  caughtBy: 'lifetime',
  says: 'vm_area_struct',
  name: 'mm/truncate/iterates-on',
  wrong: 'truncation goes on from the vma that it was at after it gave i_mmap_lock away',
  source: `${VMTRUNC}, 4/6; mm.md R2.2`,
  init: SMALL_VMAS,
  actors: [cut(0), unmapAt(V)],
  broken: { modules: design('later', { walk: 'on' }) },
  fixed: { modules: design('later') },
});

/** R2.3. */
export const noStamps = mmRace({
  ...SHARED,
  name: 'mm/truncate/no-stamps',
  wrong: 'truncation starts over with vmas that it is done with: who keeps it from going on does so for ever',
  source: `${VMTRUNC}, 4/6; mm.md R2.3`,
  init: SMALL_VMAS,
  actors: [cut(0), want(2)],
  broken: { modules: design('4/6', { stamps: false, resumes: 'at the start' }, { again: true }) },
  fixed: { modules: design('later', {}, { again: true }) },
});

/** R2.4. */
export const noRestart = mmRace({
  ...SHARED,
  name: 'mm/truncate/no-restart',
  wrong: 'a vma that was broken off begins anew: one that takes longer than the next one waits is never done',
  source: `${VMTRUNC}, 4/6; mm.md R2.4`,
  init: LARGE,
  actors: [cut(0), want(2)],
  broken: { modules: design('4/6', { resumes: 'at the start' }, { again: true }) },
  fixed: { modules: design('later', {}, { again: true }) },
});

const remapOne: Act = ({ k }) => void k.fremap.remapFilePages(mmAt(k), W + PAGE_SIZE, PAGE_SIZE, 0);

/** R2.8. */
export const listBeforeTree = mmRace({
  ...SHARED,
  says: 'O-TRUNC',
  name: 'mm/truncate/list-before-tree',
  wrong:
    'nonlinear vmas are gone over before the tree: one that becomes nonlinear meanwhile is met in neither',
  source: `${VMTRUNC}, 4/6; mm.md R2.8`,
  init: scene([
    { at: V, pages: 1 },
    { at: W, pages: 2 },
  ]),
  actors: [cut(0), remapOne],
  broken: { modules: design('later', { first: 'list' }) },
  fixed: { modules: design('later') },
});

/** R2.11. */
export const noRegather = mmRace({
  ...SHARED,
  caughtBy: 'check',
  says: 'O-RSS',
  name: 'mm/truncate/no-regather',
  wrong: 'a vma is broken off without a new gather: what the old one has freed comes off rss twice',
  source: `${VMTRUNC}, 4/6; mm.md R2.11`,
  init: LARGE,
  actors: [cut(1), want(1)],
  broken: { modules: design('later', { regathers: false }) },
  fixed: { modules: design('later') },
});

/** R2.12. */
export const smallVmasHold = mmRace({
  ...SHARED,
  name: 'mm/truncate/small-vmas-hold',
  wrong:
    'truncation looks whether somebody waits for i_mmap_lock in the midst of a vma only: with small ones never',
  source: `${VMTRUNC}, 4/6; mm.md R2.12`,
  init: scene([
    { at: V, pages: 1 },
    { at: W, pages: 1 },
    { at: 0x18000, pages: 1 },
  ]),
  actors: [cut(0), want(1)],
  broken: { modules: design('later', { behind: false }, { contended: true }) },
  fixed: { modules: design('later', {}, { contended: true }) },
});

/** Changes entries elsewhere in the address space. */
const wantPtl: Act = ({ k }) => {
  k.sections.enter('pteChange', { mm: mmAt(k), vma: k.vmaTree.findVma(mmAt(k), V) });
  k.sections.leave();
};

/** R2.12. */
export const restartsForPtl = mmRace({
  ...SHARED,
  name: 'mm/truncate/restarts-for-ptl',
  wrong:
    'truncation gives i_mmap_lock away wherever it gives page_table_lock away, and starts over each time',
  source: `${VMTRUNC}, 4/6; mm.md R2.12`,
  init: LARGE,
  actors: [cut(0), wantPtl],
  broken: { modules: design('later', { gives: 'always' }, { over: true }) },
  fixed: { modules: design('later', {}, { over: true }) },
});

const all: Act = ({ k }) => k.truncate.unmapMappingRange(fileAt(k), 0, 0, true);
const gone: Act = ({ k }) => {
  if (pageAt(k, V) !== 0)
    throw new MmViolation('O-TRUNC', 'page 0 is mapped, though it was before unmap_mapping_range was called');
};

/** R2.13. */
export const twoAtOnce = mmRace({
  ...SHARED,
  says: 'O-TRUNC',
  name: 'mm/truncate/two-at-once',
  wrong: 'two calls of unmap_mapping_range for a file: one goes on where the other was broken off',
  source: 'Miklos Szeredi, commit 2aa15890f3c1, Linux 2.6.38; mm.md R2.13',
  init: LARGE,
  actors: [all, inOrder(touch(V, false), all, gone)],
  broken: { modules: design('7/6') },
  fixed: { modules: design('later') },
});
