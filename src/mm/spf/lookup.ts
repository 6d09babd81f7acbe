/**
 * How a speculator finds a vma without mmap_sem, and what keeps it until he is done.
 *
 *   none       nothing: munmap frees it under his eyes (R3.10)
 *   srcu       SRCU, from the look-up to the end of the fault; who frees waits for a grace period     v3 to v5
 *   rwlock     mm_rb_lock for reading, and under it a reference; the last one frees                    v6 to v11
 *   rcu        as srcu, by RCU: nobody may sleep there
 *   vma lock   the vma's lock, tried for inside RCU, and then looked at again: it may have been locked for writing, or taken out, in between     6.4
 *
 * The tree is walked while it changes, but for `rwlock`: a rotation may hide a vma, which costs an attempt, and no more (Linux has a latch or another tree for that; 6.4 has a maple tree in the place of this
 * one). No walk is longer than the tree can be high.
 *
 * Each vma that is found is `consumed`: loads through it are ordered behind, and its lifetime is judged from there.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { Mm, RbNode, Vma } from '../structs.ts';
import type { SpfLookup } from './rules.ts';
import { isDead } from './writers.ts';

/** Vmas as speculators have them. */
export interface SpfVmas {
  /** Finds the vma of an address, and keeps it; 0: none, or it is being changed. */
  get(mm: Addr, address: number): Addr;
  /** Is done with it. */
  put(vma: Addr): void;
  /** A vma that nobody finds yet. */
  born(vma: Addr): void;
  /** Nobody finds it any more: it is freed, now or when the last one is done with it. */
  freed(vma: Addr, free: (vma: Addr) => void): void;
}

/** What keeps vmas: what is entered before one is looked for, and left when it is not needed any more. */
interface Keeper {
  enter(mm: Addr): void;
  /** A vma was found. @returns whether it may be used */
  found(vma: Addr, address: number): boolean;
  /** The look-up is over. @param vma what it gave; 0: nothing */
  over(mm: Addr, vma: Addr): void;
  put(vma: Addr): void;
  freed(vma: Addr, free: (vma: Addr) => void): void;
}

const nothing = (): void => {};
const yes = (): boolean => true;

function counted({ isa, locks, slabs }: Kernel): Keeper {
  const { vm_ref_count } = Vma;
  const drop = (vma: Addr, free: (vma: Addr) => void): void => {
    if (isa.fetchAdd(vma + vm_ref_count, -1) === 1) free(vma);
  };
  return {
    enter: (mm) => locks.rwlock.acquireRead(mm + Mm.mm_rb_lock),
    found(vma) {
      isa.fetchAdd(vma + vm_ref_count, 1);
      return true;
    },
    over: (mm) => locks.rwlock.releaseRead(mm + Mm.mm_rb_lock),
    put: (vma) => drop(vma, slabs.vmas.free),
    freed: drop,
  };
}

/** Sections of an RCU, around the whole of it. */
function inSection({ locks, world }: Kernel, which: 'rcu' | 'srcu'): Keeper {
  const domain = world[which];
  const { readLock, readUnlock, synchronize } = locks[which];
  let token = 0;
  return {
    enter() {
      token = readLock(domain);
    },
    found: yes,
    over(_mm, vma) {
      if (vma === 0) readUnlock(domain, token);
    },
    put: () => readUnlock(domain, token),
    freed(vma, free) {
      synchronize(domain);
      free(vma);
    },
  };
}

function locked({ isa, locks, world }: Kernel): Keeper {
  const { vm_mm, vm_start, vm_end, vm_lock, vm_lock_seq } = Vma;
  const { readLock, readUnlock, synchronize } = locks.rcu;
  const { rwsem } = locks;
  let token = 0;
  const written = (vma: Addr): boolean =>
    isa.readOnce(vma + vm_lock_seq) === isa.loadAcquire(isa.readOnce(vma + vm_mm) + Mm.mm_lock_seq);
  return {
    enter() {
      token = readLock(world.rcu);
    },
    found(vma, address) {
      if (written(vma) || !rwsem.tryRead(vma + vm_lock)) return false;
      // With the lock held nothing of it changes any more.
      const good =
        !written(vma) &&
        !isDead(isa, vma) &&
        isa.readOnce(vma + vm_start) <= address &&
        isa.readOnce(vma + vm_end) > address;
      if (!good) rwsem.releaseRead(vma + vm_lock);
      return good;
    },
    over: () => readUnlock(world.rcu, token),
    put: (vma) => rwsem.releaseRead(vma + vm_lock),
    freed(vma, free) {
      synchronize(world.rcu);
      free(vma);
    },
  };
}

const KEEPERS: Readonly<Record<SpfLookup, (k: Kernel) => Keeper>> = {
  off: () => ({ enter: nothing, found: yes, over: nothing, put: nothing, freed: (vma, free) => free(vma) }),
  none: () => KEEPERS.off({} as Kernel),
  srcu: (k) => inSection(k, 'srcu'),
  rcu: (k) => inSection(k, 'rcu'),
  rwlock: counted,
  'vma lock': locked,
};

export function spfVmas(k: Kernel, lookup: SpfLookup): SpfVmas {
  const { isa, slabs } = k;
  const { vm_start, vm_end, vm_rb } = Vma;
  const { rb_left, rb_right } = RbNode;
  const keeper = KEEPERS[lookup](k);
  const highest = 2 * Math.ceil(Math.log2(slabs.vmas.objects + 1)) + 1;

  function find(mm: Addr, address: number): Addr {
    let node = isa.readOnce(mm + Mm.mm_rb);
    for (let depth = 0; node !== 0 && depth < highest; depth += 1) {
      const vma = node - vm_rb;
      isa.consumed(vma);
      if (isa.readOnce(vma + vm_end) <= address) node = isa.readOnce(node + rb_right);
      else if (isa.readOnce(vma + vm_start) <= address) return vma;
      else node = isa.readOnce(node + rb_left);
    }
    return 0;
  }

  return {
    get(mm, address) {
      keeper.enter(mm);
      const there = find(mm, address);
      const vma = there !== 0 && keeper.found(there, address) ? there : 0;
      keeper.over(mm, vma);
      return vma;
    },
    put: keeper.put,
    born(vma) {
      if (lookup === 'off') return;
      isa.writeOnce(vma + Vma.vm_sequence, 0);
      isa.writeOnce(vma + Vma.vm_ref_count, 1);
      isa.writeOnce(vma + Vma.vm_lock_seq, -1);
    },
    freed: keeper.freed,
  };
}
