/**
 * Pages that are locked in memory, and how the designs of the thread "230-objrmap fixes for 2.6.3-mjb2" (March 2004) for telling them apart go wrong (mm.md R0.7, R0.8, R0.9).
 *
 * R0.7, PG_locked to mean "unswappable" (Dave McCracken's slip):
 *   1. CPU 0 mlocks; the design sets PG_locked.
 *   2. CPU 1 waits for the page lock, as a fault or a truncation does, and nobody will ever give it up.
 *
 * R0.8, mlock_page as Christoph Hellwig sketched it and Rik van Riel found it good:
 *   1. CPU 0 sets PG_mlocked, which was clear, and has the page not yet off its list.
 *   2. CPU 1 finds PG_mlocked set and counts, in the word that is still lru.prev.
 *   3. CPU 2, or CPU 0 itself, unlinks there: it follows a pointer that is off by one.
 *   or: 2. CPU 0 has the page off its list. 3. CPU 1 counts, on top of what the list has left in the word: the count is a stale pointer plus one.
 *   or, if who removes also starts the count: 2. CPU 1 counts between the removal and the start. 3. CPU 0 starts at zero, and one of two mlocks is lost.
 *
 * R0.9, the count drifts. The words of the list are an isolator's while he has the page, so mlock and munlock cannot count then:
 *   1. CPU 0 isolates the page, which vma A has locked: the count is lost.
 *   2. CPU 1 mlocks it for vma B, and cannot count.
 *   3. CPU 0 puts it back, counted once.
 *   4. CPU 2 munlocks it for vma A: nobody is counted any more, and the page is evictable, though B has it locked.
 *   5. CPU 0 reclaims it. If it relies on the count, it unmaps the page of a locked vma; it has to look at VM_LOCKED, and mark the page again.
 * The count also drifts if a locked vma is unmapped without a munlock of its pages, and if a munlock counts down what was lost before: from 0 it comes to -1, and never to 0 again.
 *
 * The fixed twins use what was merged in 2022, and for R0.7 a bit of its own.
 */
import type { Addr } from '../../arch/index.ts';
import { pageCount } from '../../mm/mlock/count.ts';
import type { Mlock, MlockKernel } from '../../mm/mlock/index.ts';
import { COUNT_RULES, lruCount } from '../../mm/mlock/lru-count.ts';
import { pgLocked } from '../../mm/mlock/pg-locked.ts';
import { hellwigFromZero, hellwigSketch } from '../../mm/mlock/sketch.ts';
import { PG } from '../../mm/structs.ts';
import type { Actor, CheckContext } from '../../scenario.ts';
import { type ClassicSpec, classic } from '../classic.ts';
import { type MappedKernel, mappedBytes, mappedKernel, mappedNames, populate, VMAS } from './mappings.ts';

type Act = Actor<MappedKernel>;

const A = 0;
const B = 1;
const THREAD = '"230-objrmap fixes for 2.6.3-mjb2", linux-kernel, March 2004';

const pageOf = ({ pages }: MappedKernel): Addr => pages.pageAt(1);
const mlock =
  (vma: number): Act =>
  ({ tools }) =>
    tools.mappings.mlock(vma);
const munlock =
  (vma: number): Act =>
  ({ tools }) =>
    tools.mappings.munlock(vma);

/** What every scenario here has in common: one page mapped by two vmas, another one beside it on the list. */
function shared(cpus: number): Pick<ClassicSpec<MappedKernel>, 'cpus' | 'stride' | 'state' | 'names'> {
  return { cpus, stride: 1, state: mappedBytes(cpus), names: mappedNames };
}
const setUp =
  (prepare: (k: MappedKernel) => void = () => {}): Act =>
  ({ tools }) => {
    populate(tools, 2, 2);
    prepare(tools);
  };

function judgeMlock({ tools, fail }: CheckContext<MappedKernel>): void {
  const { mappings, mlock: design } = tools;
  for (let vma = 0; vma < VMAS; vma += 1)
    if (mappings.locked(vma) && mappings.mapped(vma) === 0)
      fail(`O-MLOCK: the page of vma ${vma}, which is VM_LOCKED, was unmapped`);
  const wrong = design.validate(mappings.lockedMappers);
  if (wrong !== undefined) fail(wrong);
}

function judgeLru({ tools, fail }: CheckContext<MappedKernel>): void {
  const wrong = tools.lru.validate();
  if (wrong !== undefined) fail(wrong);
}

/** R0.7. */
export const mlockByPageLock = classic<MappedKernel>({
  ...shared(2),
  name: 'mm/objrmap/mlock-by-page-lock',
  wrong: 'PG_locked is set for as long as a page is mlocked: who waits for the page lock waits for ever',
  source: `${THREAD}: Dave McCracken and Andrea Arcangeli, 3 March; mm.md R0.7`,
  caughtBy: 'progress',
  init: setUp(),
  check: judgeLru,
  broken: { create: mappedKernel(pgLocked), actors: [mlock(A), waitOnPage] },
  fixed: { create: mappedKernel(pageCount), actors: [mlock(A), waitOnPage] },
});

function waitOnPage({ tools }: Parameters<Act>[0]): void {
  tools.locks.page.acquire(pageOf(tools));
  tools.locks.page.release(pageOf(tools));
}

/** Isolates the next page to be reclaimed, and puts it back. */
const scan: Act = ({ tools }) => {
  for (const page of tools.lru.isolateTail(false, 1)) tools.lru.putback(page);
};

/** R0.8: the list. */
export const mlockSketchList = classic<MappedKernel>({
  ...shared(3),
  name: 'mm/objrmap/mlock-sketch-list',
  wrong:
    'the second to mlock a page counts in a word of its list entry while the first has not yet taken it off the list',
  source: `${THREAD}: Christoph Hellwig and Rik van Riel, 4 March; mm.md R0.8`,
  caughtBy: 'exception',
  says: 'O-LRU',
  init: setUp(),
  check: judgeLru,
  broken: { create: mappedKernel(hellwigSketch), actors: [mlock(A), mlock(B), scan] },
  fixed: { create: mappedKernel(lruCount), actors: [mlock(A), mlock(B), scan] },
});

/** Comes when the page is off its list, and only then. */
const mlockOffList: Act = ({ tools }) => {
  const { lru, mappings, pages } = tools;
  lru.lock();
  const listed = pages.has(pageOf(tools), PG.lru.mask) && !pages.has(pageOf(tools), PG.unevictable.mask);
  lru.unlock();
  if (!listed) mappings.mlock(B);
};

/** R0.8: the count, as the sketch was posted. */
export const mlockSketchCount = classic<MappedKernel>({
  ...shared(2),
  name: 'mm/objrmap/mlock-sketch-count',
  wrong: 'mlocks are counted in a word that the list has left a pointer in',
  source: `${THREAD}: Christoph Hellwig and Rik van Riel, 4 March; mm.md R0.8`,
  caughtBy: 'check',
  says: 'O-MLOCK',
  init: setUp(),
  check: judgeMlock,
  broken: { create: mappedKernel(hellwigSketch), actors: [mlock(A), mlockOffList] },
  fixed: { create: mappedKernel(lruCount), actors: [mlock(A), mlockOffList] },
});

/** R0.8: the count, where who removes starts it. */
export const mlockSketchStart = classic<MappedKernel>({
  ...shared(2),
  name: 'mm/objrmap/mlock-sketch-start',
  wrong:
    'who takes a page off the list starts its count of mlocks afterwards: one that came in between is lost',
  source: `${THREAD}: Christoph Hellwig and Rik van Riel, 4 March; mm.md R0.8`,
  caughtBy: 'check',
  says: 'O-MLOCK',
  init: setUp(),
  check: judgeMlock,
  broken: { create: mappedKernel(hellwigFromZero), actors: [mlock(A), mlockOffList] },
  fixed: { create: mappedKernel(lruCount), actors: [mlock(A), mlockOffList] },
});

/** Isolates the page, which takes the words of its count, and puts it back. */
function compact({ lru, pages }: MappedKernel): void {
  const page = pages.pageAt(1);
  if (lru.isolate(page)) lru.putback(page);
}

const reclaims =
  (heed: boolean): Act =>
  ({ tools }) => {
    compact(tools);
    tools.mappings.shrink(2, heed);
  };

/** R0.9: reclaim relies on a count that was lost. */
export const mlockCountLost = classic<MappedKernel>({
  ...shared(3),
  name: 'mm/objrmap/mlock-count-lost',
  wrong:
    'isolating a page loses its count of mlocks, and reclaim relies on the count: it unmaps a page that a vma has locked',
  source: 'Hugh Dickins, "mm/munlock" 06/13, linux-mm, February 2022; mm.md R0.9',
  caughtBy: 'check',
  says: 'O-MLOCK',
  create: mappedKernel(lruCount),
  init: setUp((k) => k.mappings.mlock(A)),
  check: judgeMlock,
  broken: { actors: [reclaims(false), mlock(B), munlock(A)] },
  fixed: { actors: [reclaims(true), mlock(B), munlock(A)] },
});

const forgets = (k: MlockKernel): Mlock => ({ ...lruCount(k), unmapLocked() {} });

/** R0.9: unmapping does not count down. */
export const munmapKeepsMlock = classic<MappedKernel>({
  ...shared(2),
  name: 'mm/objrmap/munmap-keeps-mlock',
  wrong: 'a locked vma is unmapped without a munlock of its pages: they stay unevictable for ever',
  source: `${THREAD}: Dave McCracken, 3 March; mm.md R0.9`,
  caughtBy: 'check',
  says: 'O-MLOCK',
  init: setUp((k) => k.mappings.mlock(A)),
  check: judgeMlock,
  broken: {
    create: mappedKernel(forgets),
    actors: [({ tools }) => tools.mappings.munmap(A), ({ tools }) => tools.mappings.shrink(2)],
  },
  fixed: {
    create: mappedKernel(lruCount),
    actors: [({ tools }) => tools.mappings.munmap(A), ({ tools }) => tools.mappings.shrink(2)],
  },
});

const wraps = (k: MlockKernel): Mlock =>
  lruCount(k, { ...COUNT_RULES, returning: 0, less: (count) => count - 1 });

/** R0.9: a count that was lost is counted down. */
export const munlockBelowZero = classic<MappedKernel>({
  ...shared(2),
  name: 'mm/objrmap/munlock-below-zero',
  wrong:
    'a page comes back from an isolator with a count of none, and a munlock counts it down to -1: it stays unevictable for ever',
  source: 'Hugh Dickins, "mm/munlock" 06/13, linux-mm, February 2022; mm.md R0.9',
  caughtBy: 'check',
  says: 'O-MLOCK',
  init: setUp((k) => k.mappings.mlock(A)),
  check: judgeMlock,
  broken: { create: mappedKernel(wraps), actors: [({ tools }) => compact(tools), munlock(A)] },
  fixed: { create: mappedKernel(lruCount), actors: [({ tools }) => compact(tools), munlock(A)] },
});

/** Pages that are locked in memory, in the order of their races. */
export const mlockClassics = [
  mlockByPageLock,
  mlockSketchList,
  mlockSketchCount,
  mlockSketchStart,
  mlockCountLost,
  munmapKeepsMlock,
  munlockBelowZero,
] as const;
