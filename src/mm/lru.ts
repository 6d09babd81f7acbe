/**
 * The lists that reclaim works on: active, inactive, and the pages that are on their way there (mm/swap.c, Linux 2.6.5; the unevictable ones since 2.6.28).
 *
 *   fresh        in `lru_add` of a CPU, with a reference of the batch; PG_lru clear
 *   inactive     PG_lru                             on zone.inactive_list
 *   active       PG_lru PG_active                   on zone.active_list
 *   unevictable  PG_lru PG_unevictable              on no list, only counted: there is nothing to scan (the imaginary list of 2022)
 *   isolated     none of them, a reference more     an isolator's; `lru` is his to link by, counted in nr_isolated
 *
 * Lists, counters, and PG_lru with PG_active and PG_unevictable of a page that has it, change under zone.lru_lock. Whoever clears PG_lru has the page's `lru` words
 * to himself until he sets it again; that is what isolating means, and why `mlock_count`, which shares those words, is worth nothing meanwhile (mm.md R0.8, R0.9).
 *
 * Isolating a page off the end of a list takes a reference unless there is none left: a page whose last reference has gone is about to be taken off by who dropped it.
 * So `release` finds PG_lru as it will stay, and looks at it without the lock.
 *
 * What mlock makes of a page is asked whenever one goes onto the lists (`mlock.adding`), under the lock.
 *
 * Ordering: a page's flags are changed by full read-modify-writes, since other bits of the word are other people's. The batch belongs to its CPU.
 */
import type { Addr } from '../arch/index.ts';
import { ListError } from '../memory/index.ts';
import type { Base } from './kernel.ts';
import type { Mlock } from './mlock/design.ts';
import { MmViolation } from './oracles/violation.ts';
import type { Pages } from './pages.ts';
import { mmCpuOf } from './per-cpu.ts';
import { MmCpu, PAGEVEC, Page, PG, Zone } from './structs.ts';

/** Operations on the lists. */
export interface Lru {
  /** Makes lists of none; once, before any CPU uses them. */
  init(): void;
  /** Takes zone.lru_lock; for {@link Lru.detach} and {@link Lru.attach}. */
  lock(): void;
  /** Releases zone.lru_lock. */
  unlock(): void;
  /** Under lru_lock: clears PG_lru and takes the page off its list. @returns whether it was on one */
  detach(page: Addr): boolean;
  /** Under lru_lock: sets PG_lru and puts the page first on the list that its flags name. */
  attach(page: Addr): void;
  /** Sets a new page on its way to the lists (lru_cache_add): active if PG_active is set, inactive if not. */
  cacheAdd(page: Addr): void;
  /** Puts what this CPU has gathered on the lists (lru_add_drain). */
  drain(): void;
  /** Moves an inactive page to the active list; one that is on none stays as it is. */
  activate(page: Addr): void;
  /** Inactive and unreferenced, inactive and referenced, active: goes one further. */
  markPageAccessed(page: Addr): void;
  /** Takes a page, to which the caller has a reference, off the lists, and a reference for the isolator. @returns whether it was on one */
  isolate(page: Addr): boolean;
  /** Under lru_lock: takes a page off the lists that is on one and not about to be freed, with a reference for the isolator. @returns whether it has */
  isolateLocked(page: Addr): boolean;
  /** A page that is none of the LRU's is isolated, and counts as if it were; lru_lock is held. */
  countIsolated(): void;
  /** Isolates pages from the end of a list. @param most how many are looked at */
  isolateTail(active: boolean, most: number): Addr[];
  /** Puts an isolated page back and drops the isolator's reference. */
  putback(page: Addr): void;
  /** Drops the isolator's reference to a page that does not go back. */
  discard(page: Addr): void;
  /** The last reference has gone: takes the page off the lists and frees it. */
  release(page: Addr): void;
  /**
   * What is wrong when all CPUs are at rest, O-LRU; undefined: nothing.
   * @param isolated pages that isolators have now; 0 unless given
   */
  validate(isolated?: number): string | undefined;
}

/** What it is made of. */
export type LruKernel = Base & {
  readonly pages: Pages;
  readonly pageAlloc: { freePage(page: Addr): void };
  readonly mlock: Pick<Mlock, 'adding' | 'freeing'>;
};

const LRU = PG.lru.mask;
const ACTIVE = PG.active.mask;
const REFERENCED = PG.referenced.mask;
const UNEVICTABLE = PG.unevictable.mask;
/** What a page must not take to its next owner. */
const STATE = LRU | ACTIVE | REFERENCED | UNEVICTABLE;

/** What a list operation throws that meets damage, as the oracle's. */
function asViolation(error: unknown): unknown {
  return error instanceof ListError ? new MmViolation('O-LRU', error.message) : error;
}

export function lru(k: LruKernel): Lru {
  const { isa, cpu, spec, world, locks, lists, pages } = k;
  const { zone } = world;
  const lruLock = zone + Zone.lru_lock;
  const activeList = zone + Zone.active_list;
  const inactiveList = zone + Zone.inactive_list;
  const mine = mmCpuOf(world, cpu.id);
  const batched = mine + MmCpu.lru_add_count;
  const batch = mine + MmCpu.lru_add;

  const lock = (): void => locks.spin.acquire(lruLock);
  const unlock = (): void => locks.spin.release(lruLock);
  const count = (counter: Addr, by: number): void => isa.write(counter, isa.read(counter) + by);
  const counterOf = (flags: number): Addr => {
    if ((flags & UNEVICTABLE) !== 0) return zone + Zone.nr_unevictable;
    return (flags & ACTIVE) === 0 ? zone + Zone.nr_inactive : zone + Zone.nr_active;
  };

  function detach(page: Addr): boolean {
    const flags = isa.fetchAnd(page + Page.flags, ~LRU);
    if ((flags & LRU) === 0) return false;
    try {
      if ((flags & UNEVICTABLE) === 0) lists.del(page + Page.lru);
    } catch (error) {
      throw asViolation(error);
    }
    count(counterOf(flags), -1);
    return true;
  }

  function attach(page: Addr): void {
    const flags = isa.fetchOr(page + Page.flags, LRU);
    if ((flags & LRU) !== 0)
      throw new MmViolation('O-LRU', `page ${pages.pfnOf(page)} goes on a list and is on one`);
    if ((flags & UNEVICTABLE) === 0)
      lists.add(page + Page.lru, (flags & ACTIVE) === 0 ? inactiveList : activeList);
    count(counterOf(flags), 1);
  }

  function put(page: Addr): void {
    if (pages.putTestzero(page)) release(page);
  }

  function drain(): void {
    const full = isa.read(batched);
    if (full === 0) return;
    lock();
    for (let at = 0; at < full; at += 1) {
      const page = isa.read(batch + 4 * at);
      if (k.mlock.adding(page)) attach(page);
    }
    unlock();
    isa.write(batched, 0);
    for (let at = 0; at < full; at += 1) put(isa.read(batch + 4 * at));
  }

  function cacheAdd(page: Addr): void {
    pages.get(page);
    const before = isa.read(batched);
    isa.write(batch + 4 * before, page);
    isa.write(batched, before + 1);
    if (before + 1 === PAGEVEC) drain();
  }

  function activate(page: Addr): void {
    lock();
    if ((isa.readOnce(page + Page.flags) & (LRU | ACTIVE | UNEVICTABLE)) === LRU) {
      detach(page);
      pages.set(page, ACTIVE);
      attach(page);
    }
    unlock();
  }

  function markPageAccessed(page: Addr): void {
    const flags = isa.readOnce(page + Page.flags);
    if ((flags & REFERENCED) === 0) pages.set(page, REFERENCED);
    else if ((flags & (LRU | ACTIVE)) === LRU) {
      activate(page);
      pages.clear(page, REFERENCED);
    }
  }

  /** Under lru_lock, of a page that has been detached and referenced. */
  function hand(page: Addr): void {
    lists.init(page + Page.lru);
    count(zone + Zone.nr_isolated, 1);
  }

  function isolate(page: Addr): boolean {
    lock();
    const was = detach(page);
    if (was) {
      pages.get(page);
      hand(page);
    }
    unlock();
    return was;
  }

  function isolateLocked(page: Addr): boolean {
    if (!pages.has(page, LRU) || !pages.getUnlessZero(page)) return false;
    detach(page);
    hand(page);
    return true;
  }

  function isolateTail(active: boolean, most: number): Addr[] {
    const head = active ? activeList : inactiveList;
    const taken: Addr[] = [];
    lock();
    for (let looked = 0; looked < most; looked += 1) {
      const entry = lists.last(head);
      if (entry === 0) break;
      const page = entry - Page.lru;
      if (pages.getUnlessZero(page)) {
        detach(page);
        hand(page);
        taken.push(page);
      } else lists.move(entry, head);
    }
    unlock();
    return taken;
  }

  function putback(page: Addr): void {
    lock();
    count(zone + Zone.nr_isolated, -1);
    if (k.mlock.adding(page)) attach(page);
    unlock();
    put(page);
  }

  function discard(page: Addr): void {
    lock();
    count(zone + Zone.nr_isolated, -1);
    unlock();
    put(page);
  }

  function release(page: Addr): void {
    if (pages.has(page, LRU)) {
      lock();
      detach(page);
      unlock();
    }
    k.mlock.freeing(page);
    pages.clear(page, STATE);
    k.pageAlloc.freePage(page);
  }

  /** What is wrong with a list, or how long it is. */
  function judgeList(head: Addr, name: string, flags: number): string | number {
    const called = (entry: Addr): string => `page ${pages.pfnOf(entry - Page.lru)}`;
    const broken = lists.verify(head, called);
    if (broken !== undefined) return `the ${name} list: ${broken}`;
    let length = 0;
    let wrong: string | undefined;
    lists.forEach(head, (entry) => {
      length += 1;
      const page = entry - Page.lru;
      if (!pages.isPage(page)) wrong = `the ${name} list holds ${entry}, which is no page`;
      else if ((isa.readOnce(page + Page.flags) & (LRU | ACTIVE | UNEVICTABLE)) !== flags)
        wrong = `${called(entry)} is on the ${name} list, which its flags do not say`;
      else if (pages.count(page) < 1) wrong = `${called(entry)} is on the ${name} list without a reference`;
      return wrong === undefined;
    });
    return wrong ?? length;
  }

  function judge(isolated: number): string | undefined {
    const active = judgeList(activeList, 'active', LRU | ACTIVE);
    if (typeof active === 'string') return active;
    const inactive = judgeList(inactiveList, 'inactive', LRU);
    if (typeof inactive === 'string') return inactive;
    const flagged = { active: 0, inactive: 0, unevictable: 0 };
    for (let pfn = 1; pfn <= spec.frames; pfn += 1) {
      const flags = isa.readOnce(pages.pageAt(pfn) + Page.flags);
      if ((flags & LRU) === 0) continue;
      if ((flags & PG.table.mask) !== 0) return `page ${pfn} is a page table and has PG_lru`;
      if ((flags & UNEVICTABLE) !== 0) flagged.unevictable += 1;
      else if ((flags & PG.reserved.mask) !== 0) return `page ${pfn} is reserved and on a list`;
      else flagged[(flags & ACTIVE) === 0 ? 'inactive' : 'active'] += 1;
    }
    const sums: readonly (readonly [string, number, number])[] = [
      ['pages flagged active', flagged.active, active],
      ['pages flagged inactive', flagged.inactive, inactive],
      ['nr_active', isa.read(zone + Zone.nr_active), active],
      ['nr_inactive', isa.read(zone + Zone.nr_inactive), inactive],
      ['nr_unevictable', isa.read(zone + Zone.nr_unevictable), flagged.unevictable],
      ['nr_isolated', isa.read(zone + Zone.nr_isolated), isolated],
    ];
    const off = sums.find(([, is, should]) => is !== should);
    return off && `${off[0]}: ${off[1]}, counted ${off[2]}`;
  }

  return {
    init() {
      lists.init(activeList);
      lists.init(inactiveList);
    },
    lock,
    unlock,
    detach,
    attach,
    cacheAdd,
    drain,
    activate,
    markPageAccessed,
    isolate,
    isolateLocked,
    countIsolated: () => count(zone + Zone.nr_isolated, 1),
    isolateTail,
    putback,
    discard,
    release,
    validate(isolated = 0) {
      const wrong = judge(isolated);
      return wrong && `O-LRU: ${wrong}`;
    },
  };
}
