/**
 * A balloon whose pages the VM moves (mm.md R4.8, R4.13; mm/balloon_compaction.c). P is a page of the balloon.
 *
 * list-del-isolated (R4.8)
 *   1. CPU 0 isolates P: `lru` links it into the list of those that it will move
 *   2. CPU 1 takes P out of the balloon, and deletes `lru` from what it takes for the balloon's list
 *   3. CPU 0, which has come to it already, deletes it once more (O-LIST)
 *   Has it not, it does not meet P: nobody puts it back (O-LEAK). Between the driver's isolatePage and the VM's list P is on none, and CPU 1 comes upon that.
 *
 * isolate-under-lru-lock (R4.13)
 *   1. CPU 0, compaction, has isolated a page of the LRU, and holds lru_lock; it comes to P
 *   2. CPU 1 inflates the balloon: with pages_lock held it reclaims, and is about to drop the last reference of a page of the LRU
 *   3. CPU 0 wants pages_lock, CPU 1 wants lru_lock
 *
 * dequeue-waits-for-page
 *   1. CPU 0 has locked P to isolate it
 *   2. CPU 1 deflates the balloon: with pages_lock held it waits for P
 *   3. CPU 0 wants pages_lock
 *
 * dequeue-walks-unlocked (before Linux 4.5)
 *   1. CPU 1 deflates the balloon: it has come to P, and P is locked
 *   2. CPU 0 isolates P
 *   3. CPU 1 goes on from P: that is on another list now
 *
 * hooks-given-up (before Linux 4.8)
 *   1. CPU 0 has isolated P, and sees that it is the balloon's
 *   2. CPU 1 gives P up: no flag is left
 *   3. CPU 0 locks P to put it back, and nobody knows whose it is: it stays isolated
 */
import { COMPACTION_DESIGNS, type CompactionRules, compaction } from '../../mm/compaction.ts';
import { HOOKS } from '../../mm/movable/hooks.ts';
import { balloonRace, DRIVER_SPEC, isolateAll, keep, kept, MOVABLE } from './drivers-scene.ts';
import type { Act } from './objrmap-scene.ts';

type Scene = Parameters<typeof balloonRace>[0]['scene'];
type Device = ReturnType<Parameters<Scene>[0]['make']>;

/** A balloon of some pages, the first of them P; what CPU 1 does with it while CPU 0 isolates pages, and puts them back. */
const scene =
  (pages: number, second: (balloon: Device, device: number, page: number) => void, before?: Act): Scene =>
  (type) => ({
    init(context) {
      before?.(context);
      const { k } = context;
      const balloon = k.drivers.of(type);
      const device = balloon.create();
      for (let made = 0; made < pages; made += 1) balloon.inflate(device);
      keep(context, 0, device);
    },
    actors: [
      isolateAll,
      (context) => second(context.k.drivers.of(type), kept(context, 0), context.k.pages.pageAt(1)),
    ],
  });

/** R4.8. */
export const listDelIsolated = balloonRace({
  name: 'mm/drivers/list-del-isolated',
  wrong:
    'a driver that gives up a page which the VM has isolated takes it off a list: it is on one of the VM’s',
  source: `balloon_page_delete of mm/balloon_compaction.c; ${MOVABLE}; mm.md R4.8`,
  caughtBy: 'exception',
  or: [{ caughtBy: 'check' }],
  broken: { deletes: 'always' },
  scene: scene(1, (balloon, device, page) => void balloon.release(device, page)),
});

/** Pages of a file, with which memory is full, and of which nobody has one but the cache. */
const fillMemory: Act = ({ k }) => {
  const file = k.pageCache.create(FULL.filePages);
  for (let index = 0; index < FULL.filePages; index += 1) {
    const page = k.pageCache.nopage(file, index);
    if (page <= 0) throw new Error(`no memory for page ${index}`);
    k.lru.drain();
    k.pages.putTestzero(page);
  }
};
/** The balloon has the last frame, in front of which the scanner comes upon the file's. */
const FULL = { ...DRIVER_SPEC, frames: 4, files: 2, filePages: 3 };

const underLruLock = (rules: Partial<CompactionRules>) => ({
  compaction: (k: Parameters<typeof compaction>[0]) =>
    compaction(k, { ...COMPACTION_DESIGNS.merged, ...rules }),
});

/** R4.13. */
export const isolateUnderLruLock = balloonRace({
  name: 'mm/drivers/isolate-under-lru-lock',
  wrong:
    'compaction calls a driver with lru_lock held; the driver’s lock is one with which the last reference of a page of the LRU is dropped',
  source: `${MOVABLE}; mm.md R4.13`,
  spec: FULL,
  caughtBy: 'progress',
  broken: { allocates: 'under pages_lock', modules: underLruLock({ dropsLruLock: false }) },
  fixed: { allocates: 'under pages_lock', modules: underLruLock({}) },
  scene: scene(1, (balloon, device) => void balloon.inflate(device), fillMemory),
});

/** The order of page lock and pages_lock. */
export const dequeueWaitsForPage = balloonRace({
  name: 'mm/drivers/dequeue-waits-for-page',
  wrong:
    'a balloon waits for a page with pages_lock held; who isolates the page has it locked and waits for pages_lock',
  source: `balloon_page_dequeue of mm/balloon_compaction.c, which tries; ${MOVABLE}; mm.md D`,
  caughtBy: 'progress',
  broken: { locks: 'waits' },
  scene: scene(1, (balloon, device) => void balloon.deflate(device)),
});

/** Minchan Kim's of December 2015. */
export const dequeueWalksUnlocked = balloonRace({
  name: 'mm/drivers/dequeue-walks-unlocked',
  wrong:
    'a balloon walks its list without pages_lock, and takes that for the page it has found only: the page that it has come to may be isolated',
  source: 'Minchan Kim, "virtio_balloon: fix race between migration and ballooning", Linux 4.5',
  // It goes on from where the list of an isolator leads: to what is on no list, or no address.
  caughtBy: 'exception',
  says: 'on no list',
  or: [{ caughtBy: 'exception', says: 'outside the memory' }],
  broken: { walks: 'unlocked' },
  scene: scene(2, (balloon, device) => void balloon.deflate(device)),
});

/** Why the type stays, since Linux 4.8. */
export const hooksGivenUp = balloonRace({
  name: 'mm/drivers/hooks-given-up',
  wrong:
    'the VM knows pages of a balloon by flags that go with the balloon: of one that is given up while it is isolated nothing says how it goes back',
  source: 'balloon_page_putback of mm/balloon_compaction.c, Linux 3.18 to 4.7',
  caughtBy: 'exception',
  says: 'O-TYPE: putbackPage is called',
  broken: { gives: 'any', modules: HOOKS },
  fixed: { gives: 'listed', modules: HOOKS },
  scene: scene(1, (balloon, device, page) => void balloon.release(device, page)),
});
