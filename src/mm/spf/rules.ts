/**
 * How a fault may do without mmap_sem, design by design, as data: "Speculative page faults" (Peter Zijlstra, RFC of October 2014; Laurent Dufour, v3 to v11, 2017 and 2018), and per-VMA locks
 * (Suren Baghdasaryan, Linux 6.4), which came of it.
 *
 *   off            mmap_sem for reading, as ever; everything here costs nothing
 *   v5             v3 to v5: the vma is kept by SRCU for as long as the fault takes
 *   v7             mm_rb_lock for the look-up and vm_ref_count; the check of a swap entry is compiled out (R3.2)
 *   v10            v8 to v10: that check says three things (PTNOTSAME); a pte lock that is held ends the speculation
 *   v11            a pte lock that is held is tried for again, with interrupts on in between
 *   rcu            v11 with RCU around the whole fault, which then must not sleep: no swap
 *   per-vma-lock   the vma is locked for reading, so that nothing has to be looked at again; RCU for the look-up; no swap (as in 6.4)
 *
 * What each race has wrong is one of these rules, put differently.
 */

/** How a speculator finds a vma, and what keeps it while it is used. */
export type SpfLookup =
  /** There is no speculation. */
  | 'off'
  /** Nothing keeps it. */
  | 'none'
  | 'srcu'
  | 'rwlock'
  | 'rcu'
  | 'vma lock';

/** What do_swap_page asks before it believes an entry that it has read without a lock. */
export type UnmapSame =
  /** The entry under the pte lock, which is taken at the old pointer, whatever has become of the vma. */
  | 'mainline'
  /** Nothing, and the entry stays mapped: v7. */
  | 'compiled out'
  /** Nothing: a stub that returns 1. */
  | 'stub'
  /** By a second return value, preset to "same", which alone the caller looks at. */
  | 'aux'
  /** By one status, and the caller takes it the wrong way round. */
  | 'inverted'
  /** By one status: same, different, or the vma has changed. */
  | 'PTNOTSAME';

/** How a fault goes about it. */
export interface SpfRules {
  readonly lookup: SpfLookup;
  /** A pte lock that is held: how often it is tried for besides, with interrupts on in between; Infinity: until it is free. */
  readonly retries: number;
  /** Whether the pte lock is only tried for while interrupts are off; else it is waited for. */
  readonly tries: boolean;
  /** What is looked at before the pte lock is tried for, interrupts off: that the vma is the same, ... */
  readonly vmaBefore: boolean;
  /** ... that the pmd entry is; */
  readonly pmdBefore: boolean;
  /** and with it held that the vma is. */
  readonly vmaBehind: boolean;
  /** Where there is no table for an entry: the classic path makes it, or the speculator does. */
  readonly noTable: 'retry' | 'populate';
  /** The vma's rights are copied behind the look at its sequence, or before it. */
  readonly copies: 'behind' | 'before';
  /** Where pages of the vma are numbered from: by the copies, or by the vma as it is by then. */
  readonly index: 'copies' | 'vma';
  /** A vma without an anon_vma is left to the classic path, or is given one, its neighbour's if that will do. */
  readonly noAnon: 'abort' | 'prepare';
  readonly same: UnmapSame;
  /** Whether do_swap_page has the page of the cache in hand before it asks (swap readahead by vma). */
  readonly readahead: boolean;
  /** Whether it lets go of that page where it goes no further. */
  readonly puts: boolean;
  /** Whether "somebody else was faster" leaves the handler as success; else as what it is. */
  readonly hides: boolean;
  /** Whether an entry is looked at once more with the pte lock held, before it is replaced. */
  readonly late: boolean;
  readonly writers: SpfWriters;
}

/** Which writers of vmas and entries say so in vm_sequence. */
export interface SpfWriters {
  /** Split, merge. */
  readonly adjust: boolean;
  /** munmap, exit, MADV_DONTNEED, truncation (unmap_page_range). */
  readonly zap: boolean;
  /** mprotect, mlock. */
  readonly flags: boolean;
  /** mremap: both vmas, the new one from before it is linked. */
  readonly move: boolean;
  readonly collapse: boolean;
  /** fork, which takes the right to write from the parent's entries and flushes the TLBs at its end. */
  readonly fork: boolean;
  /** Whether they count by one read-modify-write: two zaps may be at it at a time. */
  readonly atomic: boolean;
}

const OFF: SpfRules = {
  lookup: 'off',
  retries: Number.POSITIVE_INFINITY,
  tries: true,
  vmaBefore: true,
  pmdBefore: true,
  vmaBehind: true,
  noTable: 'retry',
  copies: 'behind',
  index: 'copies',
  noAnon: 'abort',
  same: 'PTNOTSAME',
  readahead: false,
  puts: true,
  hides: true,
  late: true,
  writers: {
    adjust: true,
    zap: true,
    flags: true,
    move: true,
    collapse: true,
    fork: true,
    atomic: true,
  },
};
const V11: SpfRules = { ...OFF, lookup: 'rwlock' };
const V10: SpfRules = { ...V11, retries: 0 };
const V7: SpfRules = { ...V10, same: 'compiled out' };
const V5: SpfRules = { ...V10, lookup: 'srcu' };

/** The designs, by name. */
export const SPF_DESIGNS = {
  off: OFF,
  v5: V5,
  v7: V7,
  v10: V10,
  v11: V11,
  rcu: { ...V11, lookup: 'rcu' },
  'per-vma-lock': { ...V11, lookup: 'vma lock' },
} as const satisfies Readonly<Record<string, SpfRules>>;

/** The name of a design. */
export type SpfName = keyof typeof SPF_DESIGNS;
