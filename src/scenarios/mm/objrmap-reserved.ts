/**
 * Pages of a VM_RESERVED vma that reclaim takes (mm.md R0.4). A driver maps memory that its device writes, page by page as it is touched, and does not set PG_reserved, which
 * has other meanings. Reclaim refused VM_LOCKED and knew nothing of VM_RESERVED (Andrea Arcangeli's second fix of 3 March 2004).
 *
 * In the model the vma is a private one of a file, and its page the copy that a write fault makes: that one is put on the LRU, as it was in 2.6. The driver tells the device the number of the frame.
 *
 * reserved-swapped-out (fix A: refuse VM_LOCKED and VM_RESERVED)
 *   1. the fault maps the page, and puts it on the LRU
 *   2. CPU 0 reclaims it: what is mapped there is a swap entry
 *   3. CPU 1, the device, writes to a frame that nobody sees
 *
 * reserved-frame-reused (fix C: the fault does not put such pages on the LRU)
 *   1. and 2. as above, and the frame is free
 *   3. CPU 1, a fault elsewhere, gets the frame; its user writes to it
 *   4. CPU 2, the device, writes by the number of the frame over what the user has there
 *   O-RSV1 would say so in step 2, and is not asked of the broken one.
 *
 * reserved-bug-on (fix B: a BUG_ON where reclaim unmaps)
 *   1. as above
 *   2. CPU 0 reclaims it, and stops there. B repairs nothing, it says so: the fixed twin is B with C
 */
import type { Factory, Replacement } from '../../mm/create.ts';
import { faults } from '../../mm/fault.ts';
import type { Kernel } from '../../mm/kernel.ts';
import { quiescent } from '../../mm/oracles/index.ts';
import { MmViolation } from '../../mm/oracles/violation.ts';
import type { MmContext } from '../../mm/scenario.ts';
import { Payload, VM, Vma } from '../../mm/structs.ts';
import type { Unmappable } from '../../mm/unmappable.ts';
import {
  type Act,
  map,
  mmAt,
  mmRace,
  pageAt,
  populate,
  RW,
  SMALL,
  seeing,
  THREAD,
  tree,
} from './objrmap-scene.ts';

const SPEC = { ...SMALL, frames: 8, vmas: 2 };
const SOURCE = `${THREAD}: Andrea Arcangeli, 3 March; mm.md R0.4`;

/** Where the driver's vma lies, and a user's. */
const [DRIVER, USER] = [0x10000, 0x12000] as const;
/** Owners of payloads. */
const [THE_DEVICE, THE_USER] = [1, 2] as const;

/** As in Linux 2.6.3: only VM_LOCKED keeps a page. */
const lockedOnly = ({ isa, mlock }: Kernel): Unmappable => ({
  allows(page, vma) {
    const locked = (isa.readOnce(vma + Vma.vm_flags) & VM.LOCKED) !== 0;
    if (locked) mlock.foundLocked(page);
    return !locked;
  },
});

/** Fix B. */
const bugOn = (k: Kernel): Unmappable => {
  const { allows } = lockedOnly(k);
  return {
    allows(page, vma) {
      if ((k.isa.readOnce(vma + Vma.vm_flags) & VM.RESERVED) !== 0)
        throw new MmViolation('O-RSV1', 'BUG_ON: reclaim unmaps a page of a VM_RESERVED vma');
      return allows(page, vma);
    },
  };
};

/** Fix C. */
const offTheLru: Replacement<'faults'> = (k, original: Factory<'faults'>) => {
  const { isa, sections, vmaTree } = k;
  const others = original(k);
  const drivers = faults(seeing(k, { lru: { ...k.lru, cacheAdd() {} } }));
  return {
    ...others,
    handleMmFault(mm, address, write) {
      sections.enter('faultFind', { mm });
      const vma = vmaTree.findVma(mm, address);
      const reserved = vma !== 0 && (isa.read(vma + Vma.vm_flags) & VM.RESERVED) !== 0;
      const result = (reserved ? drivers : others).handleMmFault(mm, address, write);
      sections.leave();
      return result;
    },
  };
};

/** The driver's page is mapped; the copy's original has left memory. */
const driverMaps: Act = ({ k, note }) => {
  k.mms.create();
  map(k, DRIVER, RW | VM.RESERVED, k.pageCache.create(1));
  map(k, USER);
  const page = populate(k, DRIVER);
  k.isa.write(note, page);
};

/** By the number of the frame, whoever has it. */
const device: Act = ({ k, note }) => {
  k.isa.writeOnce(k.pages.contentOf(k.isa.read(note)) + Payload.owner, THE_DEVICE);
};

const user: Act = ({ k }) => void k.user.userWrite(mmAt(k), USER, THE_USER, 1);

/** Two, since the page of the file is before it. */
const reclaims: Act = ({ k }) => void k.reclaim.shrinkInactive(2);

/** R0.4, fix A. */
export const reservedSwappedOut = mmRace({
  name: 'mm/objrmap/reserved-swapped-out',
  wrong:
    'reclaim refuses pages of VM_LOCKED vmas and takes those of VM_RESERVED ones: what the device writes does not reach the process any more',
  source: SOURCE,
  caughtBy: 'check',
  says: 'O-RSV1',
  spec: SPEC,
  regime: tree('L'),
  init: driverMaps,
  actors: [reclaims, device],
  broken: { modules: { unmappable: lockedOnly } },
  fixed: {},
});

/** What the user has written is still there, if it has written. */
const userHasIts = ({ k }: MmContext): string | undefined => {
  const page = pageAt(k, USER);
  const owner = page === 0 ? THE_USER : k.isa.read(k.pages.contentOf(page) + Payload.owner);
  return owner === THE_USER
    ? undefined
    : `O-TAG: page[${k.pages.pfnOf(page)}] is a user's, and holds what the device has written`;
};

/** R0.4, fix C. */
export const reservedFrameReused = mmRace({
  name: 'mm/objrmap/reserved-frame-reused',
  wrong: 'the frame of a VM_RESERVED vma is reclaimed and given to another: the device goes on writing to it',
  source: SOURCE,
  caughtBy: 'check',
  says: 'O-TAG',
  spec: SPEC,
  regime: tree('L'),
  modules: { unmappable: lockedOnly },
  init: driverMaps,
  actors: [reclaims, user, device],
  check: userHasIts,
  broken: { except: ['O-RSV1'] },
  fixed: {
    modules: { unmappable: lockedOnly, faults: offTheLru },
    check: (context) => userHasIts(context) ?? quiescent(context.k, { only: ['O-RSV2'] })[0],
  },
});

/** R0.4, fixes B and C. */
export const reservedBugOn = mmRace({
  name: 'mm/objrmap/reserved-bug-on',
  wrong:
    'a BUG_ON says that a page of a VM_RESERVED vma is being unmapped, and nothing keeps it from coming to that',
  source: SOURCE,
  caughtBy: 'exception',
  says: 'O-RSV1',
  spec: SPEC,
  regime: tree('L'),
  init: driverMaps,
  actors: [reclaims, device],
  broken: { modules: { unmappable: bugOn } },
  fixed: { modules: { unmappable: bugOn, faults: offTheLru } },
});
