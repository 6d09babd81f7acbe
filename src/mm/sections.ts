/**
 * Sections: takes the locks that a regime says a path takes, in the order of the hierarchy, and gives them back.
 *
 *   mmap_sem -> i_mmap_lock -> anon lock -> page_table_lock
 *
 * Sections nest, as do_munmap's detach and unmap_region do in a system call that holds mmap_sem: a lock that this CPU has already taken in an outer section is counted, not
 * taken again, and a section that asks for less than an outer one has taken gets more. Whoever wants it for writing must not have it for reading only.
 *
 * A section that only tries fails as a whole and holds nothing then. Leaving is in reverse order.
 *
 * What is held between enter and leave stands in arrays of this CPU's thread; between operations they are empty.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { Path, Regime, Taking } from './regime.ts';
import { AddressSpace, Mm, Vma } from './structs.ts';

/** What a path works on. */
export interface SectionOf {
  readonly mm: Addr;
  /** Whose page_table_lock it is where that is the vma's; 0 or left out: then none is taken there. */
  readonly vma?: Addr;
  /** The vma's file; 0 or left out: none. */
  readonly mapping?: Addr;
  /** The word that is the lock of the anonymous reverse mapping; 0 or left out: none. */
  readonly anon?: Addr;
}

/** Takes and gives back locks. */
export interface Sections {
  readonly regime: Regime;
  /**
   * @param attempt mmap_sem is only tried for, whatever the regime says
   * @returns false when a lock that is only tried was not free: then nothing is held, and nothing is to be left
   */
  enter(path: Path, of: SectionOf, attempt?: boolean): boolean;
  /** Leaves the section that was entered last. */
  leave(): void;
  /** Goes from one section to another of the same things, both without a lock that is only tried: a lock that both take is not given away in between if they take no other. */
  turn(from: Path, to: Path, of: SectionOf): void;
  /** Whether the section gives this CPU the vmas for good: it may sleep in there. */
  wants(path: Path): Taking;
  /** The word of the page_table_lock that protects the tables of a vma. */
  ptlOf(mm: Addr, vma: Addr): Addr;
}

const LOCKS = ['mmap_sem', 'i_mmap', 'anon', 'tables', 'ptl'] as const satisfies readonly (keyof Taking)[];
const READ = 1;
const WRITE = 2;

/** A section's locks are taken through these. */
interface Ops {
  acquire(lock: Addr): void;
  tryAcquire(lock: Addr): boolean;
  release(lock: Addr): void;
}

export function sections({ locks }: Pick<Base, 'locks'>, regime: Regime): Sections {
  const { rwsem, spin, anon: anonLock, iMmap } = locks;
  const reading: Ops = { acquire: rwsem.acquireRead, tryAcquire: rwsem.tryRead, release: rwsem.releaseRead };
  const writing: Ops = {
    acquire: rwsem.acquireWrite,
    tryAcquire: rwsem.tryWrite,
    release: rwsem.releaseWrite,
  };
  // The locks that are held, one a place; how often each is wanted; and where each section begins in `order`.
  const held: Addr[] = [];
  const modes: number[] = [];
  const times: number[] = [];
  const by: Ops[] = [];
  const order: number[] = [];
  const marks: number[] = [];

  function take(lock: Addr, mode: number, ops: Ops, attempt: boolean): boolean {
    const at = held.indexOf(lock);
    if (at >= 0) {
      if (mode > modes[at]!)
        throw new Error('a section wants for writing what an outer one holds for reading');
      times[at]! += 1;
      order.push(at);
      return true;
    }
    if (!attempt) ops.acquire(lock);
    else if (!ops.tryAcquire(lock)) return false;
    order.push(held.length);
    held.push(lock);
    modes.push(mode);
    times.push(1);
    by.push(ops);
    return true;
  }

  /** Gives back down to a mark in `order`. Sections nest, so the lock that was taken last is the first to go. */
  function drop(mark: number): void {
    while (order.length > mark) {
      const at = order.pop()!;
      times[at]! -= 1;
      if (times[at]! > 0) continue;
      modes.pop();
      times.pop();
      by.pop()!.release(held.pop()!);
    }
  }

  const ptlOf = (mm: Addr, vma: Addr): Addr =>
    regime.ptl === 'vma' ? vma + Vma.page_table_lock : mm + Mm.page_table_lock;

  function taken({ mmap_sem, i_mmap, anon, tables, ptl }: Taking, of: SectionOf, attempt: boolean): boolean {
    const { mm, vma = 0, mapping = 0, anon: word = 0 } = of;
    if (
      mmap_sem !== undefined &&
      !take(
        mm + Mm.mmap_sem,
        mmap_sem === 'W' ? WRITE : READ,
        mmap_sem === 'W' ? writing : reading,
        attempt || mmap_sem === 'tryR',
      )
    )
      return false;
    if (
      i_mmap !== undefined &&
      mapping !== 0 &&
      !take(mapping + AddressSpace.i_mmap_lock, WRITE, iMmap, i_mmap === 'try')
    )
      return false;
    if (anon !== undefined && word !== 0 && !take(word, WRITE, anonLock, anon === 'try')) return false;
    if (tables !== undefined) take(mm + Mm.page_table_lock, WRITE, spin, false);
    // A path that works on no vma yet takes none of theirs.
    if (ptl === undefined || (regime.ptl === 'vma' && vma === 0)) return true;
    return take(ptlOf(mm, vma), WRITE, spin, ptl === 'try');
  }

  function enter(path: Path, of: SectionOf, attempt = false): boolean {
    const mark = order.length;
    if (taken(regime.paths[path], of, attempt)) {
      marks.push(mark);
      return true;
    }
    drop(mark);
    return false;
  }

  function leave(): void {
    drop(marks.pop() ?? 0);
  }

  return {
    regime,
    enter,
    leave,
    turn(from, to, of) {
      const [one, other] = [regime.paths[from], regime.paths[to]];
      const alike = LOCKS.every((lock) => one[lock] === other[lock]);
      if (alike) return;
      leave();
      enter(to, of);
    },
    wants: (path) => regime.paths[path],
    ptlOf,
  };
}
