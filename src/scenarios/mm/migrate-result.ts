/**
 * What comes of a page that was migrated, or was not (mm.md R4.2, R4.12). P is a page of the driver, or of a file.
 *
 * clears-typed-mapping (R4.2, the negation that the review proposed)
 *   1. CPU 0 has migrated P, a page of a file
 *   2. it leaves the mapping of the old page, which has no type, and frees it so
 *
 * clears-movable-type (R4.2, before the series: all but anonymous pages)
 *   1. CPU 0 has migrated P, a page of the driver, which has left its type
 *   2. it takes the type away, and takes the old page for one of the LRU: one isolated page less is counted than there were
 *
 * puts-back-on-eagain (R4.12)
 *   1. CPU 1 has P locked
 *   2. CPU 0 has isolated P, cannot lock it, -EAGAIN: it puts it back, and has it on the list for the next pass
 *   3. in that it migrates a page that is not isolated
 *
 * retries-errors (R4.12)
 *   1. CPU 0 has isolated P, the driver says -EBUSY: it is put back, and tried again
 *   2. in the next pass it migrates a page that is not isolated
 *
 * lru-against-faults
 *   CPU 0 migrates pages of the LRU, anonymous and a file's, while CPU 1 writes to them and CPU 2 forks: entries that stand for a page on its way are met, copied and brought back, and nothing that was written is lost.
 *
 * lru-against-unmapping
 *   the same while CPU 1 makes the file shorter, and CPU 2 moves the anonymous memory elsewhere: entries that are gone do not come back, and those that were moved are met where they are.
 */
import type { KernelEnv } from '../../mm/create.ts';
import { EBUSY } from '../../mm/errno.ts';
import { MREMAP_MAYMOVE } from '../../mm/mremap.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import type { MmContext } from '../../mm/scenario.ts';
import { VM } from '../../mm/structs.ts';
import { compact, migrating, NON_LRU, POOLED, REGIME, use } from './migrate-scene.ts';
import { A, type Act, B, map, mmAt, mmControl, mmRace, RW, touch } from './objrmap-scene.ts';
import { fileAt } from './truncate-scene.ts';

const SHARED = {
  ...POOLED,
  actors: [compact, use],
  fixed: { modules: migrating({}) },
} as const;

/** R4.2, negated. */
export const clearsTypedMapping = mmRace({
  ...SHARED,
  name: 'mm/migrate/clears-typed-mapping',
  wrong:
    'the old page loses its mapping if that has a type, not if it has none: a page of a file is freed with it',
  source: `${NON_LRU}: the last question of the review; mm.md R4.2`,
  init({ k }) {
    const page = k.pageCache.nopage(k.pageCache.create(1), 0);
    k.lru.drain();
    k.pages.putTestzero(page);
  },
  actors: [compact, ({ k }) => void k.compaction.freeRuns(0)],
  says: 'with the mapping',
  broken: { modules: migrating({ clearsMapping: 'a type' }) },
});

/** R4.2, as before. */
export const clearsMovableType = mmRace({
  ...SHARED,
  name: 'mm/migrate/clears-movable-type',
  wrong:
    'the old page of a driver loses its type before it is freed: it is taken for one of the LRU, and counted so',
  source: `${NON_LRU}: the condition before the series; mm.md R4.2`,
  caughtBy: 'check',
  says: 'O-LRU: zone.nr_isolated is -1',
  broken: { modules: migrating({ clearsMapping: 'not anonymous' }) },
});

/** R4.12. */
export const putsBackOnEagain = mmRace({
  ...SHARED,
  name: 'mm/migrate/puts-back-on-eagain',
  wrong: 'a page that is to be tried again soon is put back, and tried again',
  source: `${NON_LRU}: what the three operations return; mm.md R4.12`,
  says: 'O-ISO: page 1 is migrated, and is not isolated',
  broken: { modules: migrating({ again: 'put back' }) },
});

/** The pool's pages cannot be moved. */
const busy: NonNullable<KernelEnv['modules']> = {
  drivers(k, original) {
    const made = original(k);
    return {
      ...made,
      opsOf(mapping) {
        const ops = made.opsOf(mapping);
        return ops && { ...ops, migratepage: () => -EBUSY };
      },
    };
  },
};

/** R4.12. */
export const retriesErrors = mmRace({
  ...SHARED,
  name: 'mm/migrate/retries-errors',
  wrong: 'a page whose driver has refused to move it is put back, and tried again',
  source: `${NON_LRU}: what the three operations return; mm.md R4.12`,
  says: 'O-ISO: page 1 is migrated, and is not isolated',
  broken: { modules: { ...migrating({ fails: 'put back and stays' }), ...busy } },
  fixed: { modules: { ...migrating({}), ...busy } },
});

/** Anonymous memory at A, a file at B, a page each. */
const MAPPED = {
  frames: 20,
  mms: 2,
  vmas: 4,
  anonVmas: 2,
  chains: 3,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 2,
};

const OWNER = 7;
const writes: Act = ({ k }) => {
  for (const address of [A, B]) {
    const fault = k.user.userWrite(mmAt(k), address, OWNER, 2);
    if (fault !== 0) throw new Error(`0x${address.toString(16)} cannot be written: ${fault}`);
  }
};

/** What stands at an address; it was written twice. */
function wrote({ k, mm }: MmContext, address: number): string | undefined {
  const { fault, owner, version } = k.user.userRead(mm, address);
  return fault === 0 && owner === OWNER && version === 2
    ? undefined
    : `O-LOST: 0x${address.toString(16)} has ${owner}, ${version} after a fault of ${fault}, and ${OWNER}, 2 was written`;
}

/** `init`: both have a page. */
const mapped = ({ k }: MmContext): number => {
  k.mms.create();
  map(k, A);
  map(k, B, RW | VM.SHARED, k.pageCache.create(1));
  for (const address of [A, B]) touch(address)({ k, note: 0, mm: 0 });
  k.lru.drain();
  return mmAt(k);
};

/** Of the LRU. */
export const lruAgainstFaults = mmControl({
  name: 'mm/migrate/lru-against-faults',
  why: 'who meets a migration entry waits for the page, and who holds one more reference keeps it where it is: no write goes to a page that has been copied',
  source: 'mm/migrate.c of Linux 2.6.16 to 4.8; mm.md C.4, Migration',
  spec: MAPPED,
  regime: REGIME,
  init: mapped,
  actors: [compact, writes, ({ k }) => void k.mms.fork(mmAt(k))],
  check: (context) => wrote(context, A) ?? wrote(context, B),
});

/** Where it is moved to. */
const ELSEWHERE = 0x18000;

/** Of the LRU, too. */
export const lruAgainstUnmapping = mmControl({
  name: 'mm/migrate/lru-against-unmapping',
  why: 'who zaps a migration entry zaps it for good, and mremap waits for the page: whoever brings entries back finds those that there still are',
  source: 'mm/migrate.c of Linux 2.6.16 to 4.8; mm.md C.4, Migration',
  spec: MAPPED,
  regime: REGIME,
  init: mapped,
  actors: [
    compact,
    ({ k }) => void k.truncate.vmtruncate(fileAt(k), 0),
    ({ k }) => void k.mremap.mremap(mmAt(k), A, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE, ELSEWHERE),
  ],
  check(context) {
    const { k, mm } = context;
    if (k.user.userRead(mm, B).fault === 0) return 'O-TRUNC: the file is empty, and its page can be read';
    return k.user.userRead(mm, ELSEWHERE).fault === 0 ? undefined : 'O-LOST: what was moved cannot be read';
  },
});
