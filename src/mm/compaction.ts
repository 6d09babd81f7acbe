/**
 * Compaction: pages from the bottom of memory go to free frames at its top, so that free ones lie together (mm/compaction.c, Linux 4.8).
 *
 *   migrate scanner   struct pages from the bottom on, in blocks: what is on the LRU, and what a driver lets go, is isolated onto this CPU's `migratepages`
 *   free scanner      a free page for each, the one with the highest number
 *   they meet         where a page went already, or when no free one lies above the one that is to go
 *
 * The scanner comes upon any page, in any state, and looks at it without a lock: flags and type are hints, and what isolates looks again. lru_lock is held from one page of the LRU to the next, and given away before a
 * driver is called: its locks are outside of lru_lock, and it may sleep (R4.13).
 *
 * A compound page is passed over before it is asked whether it is movable: those of drivers are never migrated (since v6; R4.9, counted).
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import type { MigrateMode } from './movable/driver.ts';
import { mmCpuOf } from './per-cpu.ts';
import { MmCpu, Page, PG } from './structs.ts';

/** How compaction goes about it. */
export interface CompactionRules {
  /** Whether lru_lock is given away before a driver is called (R4.13). */
  readonly dropsLruLock: boolean;
  /** Whether compound pages are passed over, and movable ones with them (v6), or tails and heads of the LRU's alone (R4.3, R4.9). */
  readonly compound: 'passed over' | 'looked at';
  /** Whether pages are isolated that are none of the LRU's. */
  readonly drivers: boolean;
}

/** The designs, by name. */
export const COMPACTION_DESIGNS = {
  merged: { dropsLruLock: true, compound: 'passed over', drivers: true },
  /** Before the series, with the hooks of the balloon (movable/hooks.ts). */
  hooks: { dropsLruLock: false, compound: 'passed over', drivers: true },
  'lru only': { dropsLruLock: true, compound: 'passed over', drivers: false },
} as const satisfies Readonly<Record<string, CompactionRules>>;

/** What a scan found. */
export interface Scanned {
  readonly looked: number;
  readonly isolated: number;
  /** Compound pages of drivers that were passed over: movable, and never moved (R4.9). */
  readonly passedOver: number;
}

/** What compaction came to. */
export interface Compacted extends Scanned {
  readonly migrated: number;
  readonly failed: number;
  readonly again: number;
}

/** Compaction. */
export interface Compaction {
  /** Isolates what can be moved of the frames from `first` to before `end`, onto a list (isolate_migratepages_block). @param list a list head */
  isolateMigratepagesBlock(first: number, end: number, list: Addr, mode: MigrateMode): Scanned;
  /**
   * Compacts the zone from bottom to top, until both scanners meet (compact_zone).
   * @param block frames that are looked at before those that were isolated are migrated
   */
  compactZone(mode?: MigrateMode, block?: number): Compacted;
  /** This CPU's `migratepages`. */
  readonly list: Addr;
  /** Runs of 2^order free frames that lie together, from a multiple of that on: what a high-order allocation could have. Of a running machine an estimate. */
  freeRuns(order: number): number;
}

const BLOCK = 8;
const SKIPS = PG.unevictable.mask | PG.mlocked.mask | PG.reserved.mask | PG.table.mask;
const COMPOUND = PG.head.mask | PG.tail.mask;

/** Makes the module. @param rules a design of COMPACTION_DESIGNS, or another */
export function compaction(k: Kernel, rules: CompactionRules = COMPACTION_DESIGNS.merged): Compaction {
  const { isa, cpu, spec, world, lists, pages, pageAlloc, lru, movable, migrate } = k;
  const list = mmCpuOf(world, cpu.id) + MmCpu.migratepages;

  function isolateMigratepagesBlock(first: number, end: number, onto: Addr, mode: MigrateMode): Scanned {
    let [looked, isolated, passedOver] = [0, 0, 0];
    let locked = false;
    const lock = (): void => {
      if (!locked) lru.lock();
      locked = true;
    };
    const unlock = (): void => {
      if (locked) lru.unlock();
      locked = false;
    };

    /** @returns whether the page is isolated */
    function isolate(page: Addr, flags: number): boolean {
      if ((flags & PG.lru.mask) === 0) {
        if (!rules.drivers || !movable.peek(page) || movable.isolated(page)) return false;
        if (rules.dropsLruLock) unlock();
        const taken = movable.isolateMovablePage(page, mode);
        if (taken && movable.counted) {
          lock();
          lru.countIsolated();
        }
        return taken;
      }
      lock();
      return lru.isolateLocked(page);
    }

    for (let pfn = first; pfn < end; pfn += 1) {
      const page = pages.pageAt(pfn);
      const flags = isa.readOnce(page + Page.flags);
      looked += 1;
      if ((flags & SKIPS) !== 0) continue;
      if ((flags & COMPOUND) !== 0 && rules.compound === 'passed over') {
        if (movable.peek(page)) passedOver += 1;
        continue;
      }
      if (!isolate(page, flags)) continue;
      lists.add(page + Page.lru, onto);
      isolated += 1;
    }
    unlock();
    return { looked, isolated, passedOver };
  }

  return {
    list,
    isolateMigratepagesBlock,
    compactZone(mode = 'async', block = BLOCK) {
      const sum = { looked: 0, isolated: 0, passedOver: 0, migrated: 0, failed: 0, again: 0 };
      lru.drain();
      lists.init(list);
      // Where the free scanner has come to.
      let top = spec.frames + 1;
      for (let first = 1; first < top; first += block) {
        const end = Math.min(first + block, top);
        const scanned = isolateMigratepagesBlock(first, end, list, mode);
        sum.looked += scanned.looked;
        sum.isolated += scanned.isolated;
        sum.passedOver += scanned.passedOver;
        if (scanned.isolated === 0) continue;
        const { done, failed, again } = migrate.migratePages(
          list,
          (old) => {
            const page = pageAlloc.allocAbove(pages.pfnOf(old));
            top = page === 0 ? 0 : Math.min(top, pages.pfnOf(page));
            return page;
          },
          mode,
        );
        migrate.putbackMovablePages(list);
        sum.migrated += done;
        sum.failed += failed;
        sum.again += again;
      }
      return sum;
    },
    freeRuns(order) {
      const length = 1 << order;
      let runs = 0;
      for (let first = length; first + length <= spec.frames + 1; first += length) {
        let free = 0;
        while (free < length && (isa.readOnce(pages.pageAt(first + free) + Page.debug_generation) & 1) === 0)
          free += 1;
        if (free === length) runs += 1;
      }
      return runs;
    },
  };
}
