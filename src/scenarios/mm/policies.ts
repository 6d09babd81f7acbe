/**
 * What the threads call a matter of policy: nothing breaks, and something is counted. Each is a control whose check asks for the count (mm.md R3.11, R4.9).
 *
 * pte-lock-tries (R3.11)
 *   1. CPU 1 holds the pte lock
 *   2. CPU 0 tries for it with interrupts off, and again with them on in between: as often as the rules say, and no more ("bound it", Jerome Glisse)
 *   3. then it leaves the fault to the classic path, and that is counted
 *
 * compound-passed-over (R4.9)
 *   1. CPU 0 comes to a compound page of a driver, which is movable, and passes it over: it is counted once
 *   2. CPU 1 uses the page meanwhile
 */
import { compound } from '../../mm/movable/compound.ts';
import type { Control } from './control.ts';
import { compact, NON_LRU, REGIME as POOLS, poolOf, put, SMALL_POOL, use } from './migrate-scene.ts';
import { mmControl } from './objrmap-scene.ts';
import { ANON, dontneed, empty, fault, REGIME, rules, V } from './spf-scene.ts';

/** Tries of a pte lock besides the first. */
const RETRIES = 2;

/** R3.11. */
export const pteLockTries: Control = mmControl({
  name: 'mm/spf/pte-lock-tries',
  why: 'a pte lock that is held is tried for as often as a rule says: then the speculation is over, and the classic path waits',
  source: '"Speculative page faults" v11, and Jerome Glisse on it, linux-mm, April 2019; mm.md R3.11',
  spec: ANON,
  regime: REGIME,
  init: empty,
  spf: rules({ retries: RETRIES }),
  actors: [fault(V), dontneed(V)],
  check({ k }) {
    const { attempts, successes, aborts, retries } = k.spf.counters();
    if (retries > RETRIES * attempts)
      return `O-LIVE: a pte lock is tried for ${retries} times besides, by ${attempts} faults`;
    const ended = Object.values(aborts).reduce((sum, times) => sum + times, successes);
    return ended === attempts ? undefined : `O-LIVE: ${attempts} faults were tried, and ${ended} have ended`;
  },
});

/** R4.9. */
export const compoundPassedOver: Control = mmControl({
  name: 'mm/migrate/compound-passed-over',
  why: 'compound pages are passed over before anybody asks whether they are movable: a driver’s are never moved, which costs memory, and nothing else',
  source: `${NON_LRU}: the author, on the order of the two tests; mm.md R4.9`,
  spec: SMALL_POOL,
  regime: POOLS,
  init({ k }) {
    const driver = poolOf(k);
    const page = driver.lock(driver.alloc(driver.create()));
    // The frame behind the driver's one.
    k.pageAlloc.allocPage();
    compound(k).make(page);
    k.locks.page.release(page);
  },
  actors: [compact, use],
  check({ k }) {
    const head = poolOf(k).lock(1);
    const { isolated, passedOver } = k.compaction.compactZone('sync');
    k.locks.page.release(head);
    compound(k).split(head);
    put(k, k.pages.pageAt(k.pages.pfnOf(head) + 1));
    return head === k.pages.pageAt(1) && isolated === 0 && passedOver === 1
      ? undefined
      : `a compound page is isolated ${isolated} times, passed over ${passedOver} times, and is page ${k.pages.pfnOf(head)}`;
  },
});
