/**
 * What writers of vmas do for speculators: vm_sequence and mm_rb_lock ("Speculative page faults", v6 to v11, Laurent Dufour, 2018), or the vma's lock (vma_start_write, Suren Baghdasaryan, Linux 6.4).
 *
 *   begin .. end   around changes of a vma, or of what its entries hold: vm_sequence is odd (vm_write_begin, vm_write_end)
 *   around         modules as others have them: the tree changes under mm_rb_lock, and who leaves it is marked dead (RB_EMPTY_NODE)
 *
 * Sections do not nest: two of them would make an even number. But two zaps may be at it at a time, under mmap_sem for reading both. Each counts by a read-modify-write, so the number is even while both are at it, and
 * even behind them (C3.a); by loads and stores one of the four counts can be lost, and the number stays odd, so that the next writer makes it even for as long as he writes.
 *
 * With per-VMA locks `begin` waits for the readers of the vma and leaves it locked: until the writer gives mmap_sem up, which makes `mm_lock_seq` another number. Zaps do not lock: that a fault comes between is what may
 * happen under mmap_sem for reading, too. It sleeps, so no spinlock is held.
 *
 * While speculation is on, vmas and the nodes of trees are written by marked stores (WRITE_ONCE), or by releases where nothing else orders a new vma before the link to it.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import type { Kernel, MmLocks, Modules } from '../kernel.ts';
import { Mm, RbNode, Vma } from '../structs.ts';
import type { SpfRules, SpfWriters } from './rules.ts';

/** Who writes. */
export type SpfWriter = Exclude<keyof SpfWriters, 'atomic'>;

/** Calls around changes of vmas; where speculation is off they do nothing. */
export interface SpfHooks {
  /** A vma, or what its entries hold, is about to change (vm_write_begin). */
  begin(vma: Addr, by: SpfWriter): void;
  /** It has (vm_write_end). */
  end(vma: Addr, by: SpfWriter): void;
  /** A vma is about to be taken out of the tree, which no sequence has to say: it is marked. */
  detaching(vma: Addr): void;
}

/** Makes of a module what others are to have for it. */
export type Around = { readonly [Name in keyof Modules]?: (made: Modules[Name]) => Modules[Name] };

/** The word of a vma that says whether it is in the tree: its node points to itself when it is not. */
const PARENT = Vma.vm_rb + RbNode.rb_parent;

/** Whether a vma was taken out of the tree. */
export const isDead = (isa: Isa, vma: Addr): boolean => isa.readOnce(vma + PARENT) === vma + Vma.vm_rb;

const nothing = (): void => {};
/** Where speculation is off. */
export const NO_HOOKS: SpfHooks = { begin: nothing, end: nothing, detaching: nothing };

export function spfHooks({ isa, locks }: Kernel, { lookup, writers }: SpfRules): SpfHooks {
  const { vm_mm, vm_sequence, vm_lock, vm_lock_seq } = Vma;
  if (lookup === 'off') return NO_HOOKS;
  if (lookup === 'vma lock') {
    const begin = (vma: Addr, by: SpfWriter): void => {
      if (by === 'zap' || !writers[by]) return;
      const now = isa.readOnce(isa.read(vma + vm_mm) + Mm.mm_lock_seq);
      if (isa.readOnce(vma + vm_lock_seq) === now) return;
      locks.rwsem.acquireWrite(vma + vm_lock);
      isa.writeOnce(vma + vm_lock_seq, now);
      locks.rwsem.releaseWrite(vma + vm_lock);
    };
    return { begin, end: nothing, detaching: (vma) => begin(vma, 'adjust') };
  }
  const count = writers.atomic
    ? (vma: Addr): void => void isa.fetchAdd(vma + vm_sequence, 1)
    : (vma: Addr): void => isa.writeOnce(vma + vm_sequence, isa.readOnce(vma + vm_sequence) + 1);
  return {
    begin(vma, by) {
      if (!writers[by]) return;
      count(vma);
      isa.wmb();
    },
    end(vma, by) {
      if (!writers[by]) return;
      isa.wmb();
      count(vma);
    },
    detaching: nothing,
  };
}

/** What writers of mmap_sem do besides when they give it up (vma_end_write_all). Other semaphores, of vmas and of drivers, are as ever. */
export function endingWrites({
  isa,
  locks,
  slabs: { mms },
}: Pick<Kernel, 'isa' | 'locks' | 'slabs'>): MmLocks {
  const { rwsem } = locks;
  const over = (lock: Addr): void => {
    const mm = lock - Mm.mmap_sem;
    const index = mms.indexOf(mm);
    if (index < 0 || mms.objectAt(index) !== mm) return;
    isa.storeRelease(mm + Mm.mm_lock_seq, isa.readOnce(mm + Mm.mm_lock_seq) + 1);
  };
  return {
    ...locks,
    rwsem: {
      ...rwsem,
      releaseWrite(lock) {
        over(lock);
        rwsem.releaseWrite(lock);
      },
      downgrade(lock) {
        over(lock);
        rwsem.downgrade(lock);
      },
    },
  };
}

/** The modules that change vmas, with what speculators need around them. */
export function spfAround({ isa, locks }: Kernel, rules: SpfRules): Around {
  const byRwlock = rules.lookup === 'rwlock';

  function changing<T>(mm: Addr, run: () => T): T {
    if (!byRwlock) return run();
    locks.rwlock.acquireWrite(mm + Mm.mm_rb_lock);
    const result = run();
    locks.rwlock.releaseWrite(mm + Mm.mm_rb_lock);
    return result;
  }

  const kill = (vma: Addr): void => isa.writeOnce(vma + PARENT, vma + Vma.vm_rb);

  return {
    vmaTree: (made) => ({
      ...made,
      vmaLink(mm, vma, place) {
        changing(mm, () => made.vmaLink(mm, vma, place));
      },
      vmaUnlink(mm, vma) {
        changing(mm, () => {
          made.vmaUnlink(mm, vma);
          kill(vma);
        });
      },
      detachVmas(mm, first, end) {
        return changing(mm, () => {
          const cut = made.detachVmas(mm, first, end);
          for (let vma = cut; vma !== 0; vma = isa.read(vma + Vma.vm_next)) kill(vma);
          return cut;
        });
      },
    }),
  };
}

/** The instruction set of the modules that change vmas: what was a plain store there is one that others may look at meanwhile. */
export function markedIsa(isa: Isa, { lookup }: SpfRules): Isa {
  const marked: Record<string, unknown> = {};
  for (let level: object = isa; level !== Object.prototype; level = Object.getPrototypeOf(level) as object)
    for (const name of Object.getOwnPropertyNames(level)) {
      if (name === 'constructor' || name in marked) continue;
      const value = (isa as unknown as Record<string, unknown>)[name];
      // Its state stays its own.
      marked[name] = typeof value === 'function' ? value.bind(isa) : value;
    }
  const by = lookup === 'rwlock' ? 'writeOnce' : 'storeRelease';
  return { ...(marked as unknown as Isa), write: (addr, value) => isa[by](addr, value) };
}

/** Those modules. */
export const MARKED: ReadonlySet<keyof Modules> = new Set(['rbtree', 'vmas']);
