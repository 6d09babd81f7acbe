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
import { MmViolation } from './oracles/violation.ts';
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
  /** Says that no section is entered any more. @throws MmViolation O-LOCKBAL when one is, after which none is, and its locks are held */
  over(): void;
  /** Whether the section gives this CPU the vmas for good: it may sleep in there. */
  wants(path: Path): Taking;
  /** The word of the page_table_lock that protects the tables of a vma. */
  ptlOf(mm: Addr, vma: Addr): Addr;
}

const READ = 1;
const WRITE = 2;

/** A section's locks are taken through these. */
interface Ops {
  acquire(lock: Addr): void;
  tryAcquire(lock: Addr): boolean;
  release(lock: Addr): void;
}

/** A taking with all its words, left out or not: they have one shape then, which is what reading them depends on. */
type Whole = { readonly [Lock in keyof Required<Taking>]: Taking[Lock] | undefined };

const whole = ({ mmap_sem, i_mmap, anon, tables, ptl }: Taking): Whole => ({
  mmap_sem,
  i_mmap,
  anon,
  tables,
  ptl,
});

const alike = (one: Whole, other: Whole): boolean =>
  one.mmap_sem === other.mmap_sem &&
  one.i_mmap === other.i_mmap &&
  one.anon === other.anon &&
  one.tables === other.tables &&
  one.ptl === other.ptl;

export function sections({ isa, locks }: Pick<Base, 'isa' | 'locks'>, regime: Regime): Sections {
  const { rwsem, spin, anon: anonLock, iMmap } = locks;
  const reading: Ops = { acquire: rwsem.acquireRead, tryAcquire: rwsem.tryRead, release: rwsem.releaseRead };
  const writing: Ops = {
    acquire: rwsem.acquireWrite,
    tryAcquire: rwsem.tryWrite,
    release: rwsem.releaseWrite,
  };
  const paths = Object.fromEntries(
    Object.entries(regime.paths).map(([path, taking]) => [path, whole(taking)]),
  ) as Record<Path, Whole>;
  const ptlOfVma = regime.ptl === 'vma';
  // The locks that sections want, in order, with what gives each back: nothing, where an outer section has it. And where each section begins.
  const wanted: Addr[] = [];
  const modes: number[] = [];
  const by: (Ops | undefined)[] = [];
  const marks: number[] = [];

  /** Where an outer section wants a lock; -1: nowhere. */
  function placeOf(lock: Addr): number {
    for (let at = 0; at < wanted.length; at += 1) if (wanted[at] === lock) return at;
    return -1;
  }

  function take(lock: Addr, mode: number, ops: Ops, attempt: boolean): boolean {
    const at = placeOf(lock);
    if (at >= 0) {
      if (mode > modes[at]!)
        throw new Error('a section wants for writing what an outer one holds for reading');
    } else if (!attempt) ops.acquire(lock);
    else if (!ops.tryAcquire(lock)) return false;
    wanted.push(lock);
    modes.push(mode);
    by.push(at < 0 ? ops : undefined);
    return true;
  }

  /** i_mmap_lock, of which truncation has to know that somebody waits for it. */
  function takeFile(mapping: Addr, attempt: boolean): boolean {
    const lock = mapping + AddressSpace.i_mmap_lock;
    const waits = !attempt && placeOf(lock) < 0;
    if (waits) isa.fetchAddRelaxed(mapping + AddressSpace.i_mmap_waiters, 1);
    const taken = take(lock, WRITE, iMmap, attempt);
    if (waits) isa.fetchAddRelaxed(mapping + AddressSpace.i_mmap_waiters, -1);
    return taken;
  }

  /** Gives back down to a mark. Sections nest, so the lock that was taken last is the first to go. */
  function drop(mark: number): void {
    while (wanted.length > mark) {
      const lock = wanted.pop()!;
      modes.pop();
      by.pop()?.release(lock);
    }
  }

  // Of `of` no more is read than is wanted: it comes in many shapes.
  function taken({ mmap_sem, i_mmap, anon, tables, ptl }: Whole, of: SectionOf, attempt: boolean): boolean {
    const { mm } = of;
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
    if (i_mmap !== undefined) {
      const { mapping = 0 } = of;
      if (mapping !== 0 && !takeFile(mapping, i_mmap === 'try')) return false;
    }
    if (anon !== undefined) {
      const { anon: word = 0 } = of;
      if (word !== 0 && !take(word, WRITE, anonLock, anon === 'try')) return false;
    }
    if (tables !== undefined) take(mm + Mm.page_table_lock, WRITE, spin, false);
    if (ptl === undefined) return true;
    if (!ptlOfVma) return take(mm + Mm.page_table_lock, WRITE, spin, ptl === 'try');
    const { vma = 0 } = of;
    // A path that works on no vma yet takes none of theirs.
    return vma === 0 || take(vma + Vma.page_table_lock, WRITE, spin, ptl === 'try');
  }

  function enter(path: Path, of: SectionOf, attempt = false): boolean {
    const mark = wanted.length;
    if (taken(paths[path], of, attempt)) {
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
      if (alike(paths[from], paths[to])) return;
      leave();
      enter(to, of);
    },
    over() {
      const left = marks.length;
      if (left === 0) return;
      for (const stack of [wanted, modes, by, marks]) stack.length = 0;
      throw new MmViolation(
        'O-LOCKBAL',
        `${left === 1 ? 'a section was' : `${left} sections were`} entered and not left`,
      );
    },
    wants: (path) => regime.paths[path],
    ptlOf: (mm, vma) => (ptlOfVma ? vma + Vma.page_table_lock : mm + Mm.page_table_lock),
  };
}
