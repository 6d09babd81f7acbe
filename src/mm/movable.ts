/**
 * Pages of drivers that may be moved, though they are on no LRU ("mm: migrate: support non-lru movable page migration" v6, Minchan Kim, May 2016; mm/compaction.c, mm/migrate.c, Linux 4.8, commit bda807d44454).
 *
 *   movable      mapping = address_space | MOVABLE             on the driver's list; the driver has a reference
 *   isolated     PG_isolated, a reference more                 `lru` is the isolator's
 *   released     mapping = MOVABLE alone, isolated or not      the driver has given it up; the type stays until the page is freed
 *
 * All of it changes under the page lock. PG_isolated is the VM's, no driver touches it.
 *
 *   isolate   reference unless zero -> the type -> page lock, tried for -> PageMovable and not isolated -> the driver's isolatePage -> PG_isolated
 *
 * The reference comes first: without one the page may be freed and be another's (R4.5); our put frees it if the owner's went meanwhile. The type is looked at before the page lock is tried for: who has
 * just allocated a page need not expect that somebody else has it locked (R4.7). That look may be wrong, for `mapping` of a tail of a compound page is a counter (R4.3), so it is repeated under the lock.
 *
 * The type stays when the driver gives a page up: it alone says, to who has isolated it, that the page is not to go to the LRU (R4.1).
 *
 * Ordering: who sets the type has the page lock, and so has who acts on it; the reads without it are marked.
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import type { MigrateMode, MovableOps } from './movable/driver.ts';
import { MOVABLE_DESIGNS, type MovableRules } from './movable/rules.ts';
import { MmViolation } from './oracles/violation.ts';
import { MAPPING_ANON, MAPPING_FLAGS, MAPPING_MOVABLE, Page, PG } from './structs.ts';

/** Operations on drivers' pages. */
export interface Movable {
  /** Whether isolated pages of drivers count with those of the LRU. */
  readonly counted: boolean;
  /** __PageMovable: whether the type says so. Without the page lock a hint. */
  peek(page: Addr): boolean;
  /** PageMovable: whether a driver has it. Page lock held. */
  pageMovable(page: Addr): boolean;
  /** page_mapping: the address_space of a page, of a tail that of its head; 0: none, or it is anonymous. */
  mappingOf(page: Addr): Addr;
  /** __SetPageMovable. Page lock held. */
  setMovable(page: Addr, mapping: Addr): void;
  /** __ClearPageMovable: the driver gives the page up. Page lock held. */
  clearMovable(page: Addr): void;
  /** PageIsolated. */
  isolated(page: Addr): boolean;
  /** Isolates a page that may be a driver's. No spinlock is held. @returns whether it is: it has a reference more then, and `lru` is the caller's */
  isolateMovablePage(page: Addr, mode: MigrateMode): boolean;
  /** Gives an isolated page back, to its driver if that still has it, and drops the isolator's reference (putback_movable_page). It is on no list. */
  putbackMovablePage(page: Addr): void;
  /** A driver's operations, for a page that has to be its own. @throws MmViolation O-TYPE when it is not */
  opsFor(page: Addr, operation: string): MovableOps;
}

const ISOLATED = PG.isolated.mask;

/** Makes the module. @param rules a design of MOVABLE_DESIGNS, or another */
export function movable(k: Kernel, rules: MovableRules = MOVABLE_DESIGNS.merged): Movable {
  const { isa, locks, pages, lru } = k;
  const typeOf = (page: Addr): number => isa.readOnce(page + Page.mapping) & MAPPING_FLAGS;
  const peek = (page: Addr): boolean => typeOf(page) === MAPPING_MOVABLE;
  const isolated = (page: Addr): boolean => pages.has(page, ISOLATED);

  function put(page: Addr): void {
    if (pages.putTestzero(page)) lru.release(page);
  }

  function headOf(page: Addr): Addr {
    return pages.has(page, PG.tail.mask) ? pages.indexOf(page) : page;
  }

  function mappingOf(page: Addr): Addr {
    const mapping = isa.readOnce(headOf(page) + Page.mapping);
    return (mapping & MAPPING_ANON) === 0 ? mapping & ~MAPPING_FLAGS : 0;
  }

  function pageMovable(page: Addr): boolean {
    if (!peek(page)) return false;
    const mapping = mappingOf(page);
    return mapping !== 0 && k.drivers.opsOf(mapping) !== undefined;
  }

  function opsFor(page: Addr, operation: string): MovableOps {
    const mapping = mappingOf(page);
    const ops = mapping === 0 ? undefined : k.drivers.opsOf(mapping);
    if (ops && isa.readOnce(page + Page.mapping) === (mapping | MAPPING_MOVABLE)) return ops;
    throw new MmViolation(
      'O-TYPE',
      `${operation} is called for page ${pages.pfnOf(page)}, which is no driver's: its mapping is 0x${(isa.readOnce(page + Page.mapping) >>> 0).toString(16)}`,
    );
  }

  /** A page that is not isolated after all. */
  function pass(page: Addr): false {
    if (rules.putsBack) put(page);
    return false;
  }

  function isolate(page: Addr, mode: MigrateMode): boolean {
    if (rules.rechecks && !pageMovable(page)) return false;
    if (rules.isolated === 'locked' && isolated(page)) return false;
    const ops = opsFor(page, 'isolatePage');
    if (isolated(page))
      throw new MmViolation(
        'O-ISO',
        `isolatePage is called for page ${pages.pfnOf(page)}, which is isolated`,
      );
    if (!ops.isolatePage(page, mode)) return false;
    pages.set(page, ISOLATED);
    return true;
  }

  function isolateMovablePage(page: Addr, mode: MigrateMode): boolean {
    if (rules.reference === 'blind') pages.get(page);
    else if (!pages.getUnlessZero(page)) return false;
    if (rules.peeks === 'first' && !peek(page)) return pass(page);
    if (rules.isolated === 'before' && isolated(page)) return pass(page);
    if (!locks.page.tryAcquire(page)) return pass(page);
    const taken = isolate(page, mode);
    locks.page.release(page);
    return taken || pass(page);
  }

  function putbackMovablePage(page: Addr): void {
    if (rules.putback === 'blind') {
      opsFor(page, 'putbackPage').putbackPage(page);
      pages.clear(page, ISOLATED);
    } else {
      locks.page.acquire(page);
      if (pageMovable(page)) opsFor(page, 'putbackPage').putbackPage(page);
      pages.clear(page, ISOLATED);
      locks.page.release(page);
    }
    put(page);
  }

  return {
    counted: false,
    peek,
    pageMovable,
    mappingOf,
    setMovable(page, mapping) {
      isa.writeOnce(page + Page.mapping, mapping | MAPPING_MOVABLE);
    },
    clearMovable(page) {
      const mapping = isa.readOnce(page + Page.mapping);
      // The other designs leave what a page must not be freed with: of one that nobody has isolated the driver takes the rest away.
      if (rules.clears !== 'pointer' && !isolated(page)) isa.writeOnce(page + Page.mapping, 0);
      else if (rules.clears === 'pointer') isa.writeOnce(page + Page.mapping, mapping & MAPPING_FLAGS);
      else if (rules.clears === 'type') isa.writeOnce(page + Page.mapping, mapping & ~MAPPING_MOVABLE);
      else if (rules.clears === 'both') isa.writeOnce(page + Page.mapping, 0);
    },
    isolated,
    isolateMovablePage,
    putbackMovablePage,
    opsFor,
  };
}
