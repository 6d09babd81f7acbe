/**
 * The slots of the swap device and who counts on them (mm/swapfile.c, Linux 2.6.5; one swap_lock instead of a list lock and a lock for each device, as since 2.6.15).
 *
 *   entry e = slot + 1      0 is no entry; page.private and the page tables hold e
 *   swap_map[slot]          page-table entries that hold e, and one more if a page of the swap cache does; 0: free
 *
 * get -> 1, the caller's, who gives it to the cache; duplicate and free count up and down; at 0 the slot is free and may be somebody else's at once. So an entry is worth something only while its holder
 * knows that it is counted: by the page table that he has locked, or by the page of the cache that he has locked. Who comes with an entry that he has read before finds out by `duplicate`.
 *
 * All of it is under swap_lock. `count` reads without: an answer for one who holds one of the counts, a hint for others.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import { MmViolation } from './oracles/violation.ts';
import { SWP_WRITEOK, SwapInfo } from './structs.ts';

/** Operations on slots. */
export interface SwapMap {
  /** Makes the device empty and gives its slots out; once, before any CPU uses it. */
  init(): void;
  /** Takes a slot and counts it once. @returns its entry; 0: none is free, or the device is being taken away */
  getSwapPage(): number;
  /** Counts an entry once more. @returns false when nobody counts it any more */
  duplicate(entry: number): boolean;
  /** Counts an entry once less. @returns what is left: 0, the slot is free */
  free(entry: number): number;
  /** How often an entry is counted. */
  count(entry: number): number;
  /** Slots are given out again. */
  swapon(): void;
  /** From now on no slot is given out (SWP_WRITEOK off): the first step of taking the device away. @returns whether it was on */
  swapoff(): boolean;
  /** The next entry after `entry` that is counted; 0: none. For swapoff, from 0 on until there is none. */
  nextUsed(entry: number): number;
}

export function swapMap({
  isa,
  spec,
  world,
  locks,
}: Pick<Base, 'isa' | 'spec' | 'world' | 'locks'>): SwapMap {
  const { swap, swapMap: map } = world;
  const { flags, inuse_pages, cluster_next } = SwapInfo;
  const slots = spec.swapPages;
  const swapLock = swap + SwapInfo.swap_lock;

  const lock = (): void => locks.spin.acquire(swapLock);
  const unlock = (): void => locks.spin.release(swapLock);
  const wordOf = (entry: number): Addr => map + 4 * (entry - 1);
  const inUse = (by: number): void => isa.write(swap + inuse_pages, isa.read(swap + inuse_pages) + by);

  /** Under swap_lock: a free slot, -1: none. The search goes on where the last one ended. */
  function search(): number {
    const from = isa.read(swap + cluster_next);
    for (let step = 0; step < slots; step += 1) {
      const slot = (from + step) % slots;
      if (isa.read(map + 4 * slot) === 0) return slot;
    }
    return -1;
  }

  function getSwapPage(): number {
    lock();
    const slot = (isa.read(swap + flags) & SWP_WRITEOK) === 0 ? -1 : search();
    if (slot >= 0) {
      isa.writeOnce(map + 4 * slot, 1);
      isa.write(swap + cluster_next, (slot + 1) % slots);
      inUse(1);
    }
    unlock();
    return slot + 1;
  }

  function duplicate(entry: number): boolean {
    lock();
    const before = isa.read(wordOf(entry));
    if (before > 0) isa.writeOnce(wordOf(entry), before + 1);
    unlock();
    return before > 0;
  }

  function free(entry: number): number {
    lock();
    const left = isa.read(wordOf(entry)) - 1;
    if (left >= 0) isa.writeOnce(wordOf(entry), left);
    if (left === 0) inUse(-1);
    unlock();
    if (left < 0) throw new MmViolation('O-SWAPCNT', `entry ${entry} is freed, and nobody counts it`);
    return left;
  }

  function swapoff(): boolean {
    lock();
    const before = isa.read(swap + flags);
    isa.write(swap + flags, before & ~SWP_WRITEOK);
    unlock();
    return (before & SWP_WRITEOK) !== 0;
  }

  return {
    init() {
      for (let slot = 0; slot < slots; slot += 1) isa.writeOnce(map + 4 * slot, 0);
      isa.write(swap + flags, SWP_WRITEOK);
      isa.write(swap + inuse_pages, 0);
      isa.write(swap + cluster_next, 0);
    },
    getSwapPage,
    duplicate,
    free,
    count: (entry) => isa.readOnce(wordOf(entry)),
    swapon() {
      lock();
      isa.write(swap + flags, isa.read(swap + flags) | SWP_WRITEOK);
      unlock();
    },
    swapoff,
    nextUsed(entry) {
      for (let next = entry + 1; next <= slots; next += 1) if (isa.readOnce(wordOf(next)) > 0) return next;
      return 0;
    },
  };
}
