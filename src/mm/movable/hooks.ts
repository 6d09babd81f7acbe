/**
 * Hooks for one driver: how the VM moved the pages of a balloon before drivers' pages had a type (mm/balloon_compaction.c, Linux 3.18 to 4.7; Rafael Aquini, Konstantin Khlebnikov). Compaction and migration
 * named the balloon where they now name the operations of an address_space; pages of other drivers stay where they are.
 *
 *   PG_balloon and PG_private   on the balloon's list (balloon_page_movable)
 *   PG_balloon alone            isolated (isolated_balloon_page): `lru` is the isolator's
 *   neither                     not the balloon's
 *
 * `private` of the page is the balloon. Both flags change under the page lock; without it they are hints, as the type is.
 *
 *   isolate   reference unless zero -> page lock, tried for -> the flags -> off the balloon's list, PG_private gone
 *
 * Nothing stays of a page that the balloon gives up: whoever has it isolated takes it for one of the LRU. So isolated pages count with those of the LRU (nr_isolated), the balloon's among them, and what is migrated goes the way
 * of the LRU. A balloon gives up none but from its list ('4.7' of BALLOON_DESIGNS).
 *
 * lru_lock is held all the while, if the scanner has it. The reference that is dropped under it is not the last one of a page of the LRU, for which lru_lock would be wanted once more: the scanner saw the flags with
 * lru_lock held, and without it no page comes to the LRU.
 *
 * Up to 3.17 it was a flag of the address_space that `mapping` points to, which was followed without a lock, to an anon_vma if need be (commit d6d86c0a7f8d): that form is not modelled.
 */
import type { Addr } from '../../arch/index.ts';
import { COMPACTION_DESIGNS, compaction } from '../compaction.ts';
import { BALLOON_ID, Balloon } from '../drivers/structs.ts';
import type { Kernel } from '../kernel.ts';
import { type Movable, movable } from '../movable.ts';
import { MmViolation } from '../oracles/violation.ts';
import { AddressSpace, Page, PG } from '../structs.ts';

const [BALLOON, PRIVATE] = [PG.balloon.mask, PG.private.mask];

/** The modules of a kernel that has hooks for the balloon; that one is to be of the design '4.7'. */
export const HOOKS = {
  /** In place of operations. */
  movable: (k: Kernel): Movable => balloonHooks(k),
  /** Which keeps lru_lock. */
  compaction: (k: Kernel) => compaction(k, COMPACTION_DESIGNS.hooks),
};

/** Makes the module `movable` with hooks in place of operations. */
export function balloonHooks(k: Kernel): Movable {
  const { isa, locks, pages, lru } = k;
  const other = movable(k);
  const isBalloons = (mapping: Addr): boolean => isa.read(mapping + AddressSpace.a_ops) === BALLOON_ID;
  const flagged = (page: Addr): boolean => pages.has(page, BALLOON);
  const listed = (page: Addr): boolean =>
    (isa.readOnce(page + Page.flags) & (BALLOON | PRIVATE)) === (BALLOON | PRIVATE);
  const deviceOf = (page: Addr): Addr => isa.readOnce(page + Page.private);

  function put(page: Addr): void {
    if (pages.putTestzero(page)) lru.release(page);
  }

  const mappingOf = (page: Addr): Addr =>
    flagged(page) ? isa.read(deviceOf(page) + Balloon.mapping) : other.mappingOf(page);

  function opsFor(page: Addr, operation: string) {
    const ops = flagged(page) ? k.drivers.opsOf(mappingOf(page)) : undefined;
    if (ops) return ops;
    throw new MmViolation(
      'O-TYPE',
      `${operation} is called for page ${pages.pfnOf(page)}, which is no balloon's`,
    );
  }

  return {
    ...other,
    counted: true,
    peek: flagged,
    pageMovable: flagged,
    mappingOf,
    isolated: (page) => flagged(page) && !listed(page),
    opsFor,
    setMovable(page, mapping) {
      if (isBalloons(mapping)) pages.set(page, BALLOON | PRIVATE);
      // Of others it says who has them, for their owners' sake; nobody moves them.
      else other.setMovable(page, mapping);
    },
    clearMovable(page) {
      if (flagged(page)) pages.clear(page, BALLOON | PRIVATE);
      else other.clearMovable(page);
    },
    isolateMovablePage(page, mode) {
      if (!pages.getUnlessZero(page)) return false;
      if (locks.page.tryAcquire(page)) {
        const taken = listed(page) && opsFor(page, 'isolatePage').isolatePage(page, mode);
        if (taken) pages.clear(page, PRIVATE);
        locks.page.release(page);
        if (taken) return true;
      }
      put(page);
      return false;
    },
    putbackMovablePage(page) {
      locks.page.acquire(page);
      opsFor(page, 'putbackPage').putbackPage(page);
      pages.set(page, PRIVATE);
      locks.page.release(page);
      lru.discard(page);
    },
  };
}
