/**
 * Reverse mapping by chains: every page knows every entry that maps it (Rik van Riel, Linux 2.5; still that of anonymous pages in -mjb, March 2004).
 *
 *   page.chain -> { six entries, next } -> { six entries, next } -> 0
 *
 * PG_maplock, a bit lock of the page, protects its chain. It is taken inside page_table_lock by who adds and removes entries, and before it by the walk, which therefore only tries for
 * page_table_lock. From the entry's table page come the address space and the address, from the vma tree the vma: that look-up is under page_table_lock alone, and what it is
 * worth is the question of the thread.
 *
 * A chain is filled from the first place that is empty; removing moves nothing, and an empty chain element goes back to the slab.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { MAPPING_ANON, Page, PG, PTES_PER_CHAIN, PteChain } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';
import type { AnonDesign, FileDesign, Visit } from './design.ts';

function chains(k: Kernel) {
  const { isa, slabs, pages, vmaTree, sections, spec } = k;
  const { chain } = Page;
  const { next, ptes } = PteChain;
  const { maplock } = PG;
  const entryBytes = 4 * spec.pteWords;

  function lockChain(page: Addr): void {
    while (pages.testAndSet(page, maplock.mask)) {
      const now = isa.readOnce(page + Page.flags);
      if ((now & maplock.mask) !== 0) isa.spinWhile(page + Page.flags, now);
    }
  }

  function unlockChain(page: Addr): void {
    pages.clear(page, maplock.mask);
    isa.wake(page + Page.flags, 2 ** 31 - 1);
  }

  function add(page: Addr, at: Addr): boolean {
    lockChain(page);
    let link = isa.read(page + chain);
    for (; link !== 0; link = isa.read(link + next))
      for (let place = 0; place < PTES_PER_CHAIN; place += 1)
        if (isa.read(link + ptes + 4 * place) === 0) {
          isa.write(link + ptes + 4 * place, at);
          unlockChain(page);
          return true;
        }
    link = slabs.pteChains.tryAlloc();
    if (link !== 0) {
      for (let place = 1; place < PTES_PER_CHAIN; place += 1) isa.write(link + ptes + 4 * place, 0);
      isa.write(link + ptes, at);
      isa.write(link + next, isa.read(page + chain));
      isa.write(page + chain, link);
    }
    unlockChain(page);
    return link !== 0;
  }

  function removed(page: Addr, at: Addr): void {
    lockChain(page);
    let before = page + chain;
    for (let link = isa.read(before); link !== 0; link = isa.read(before)) {
      let others = 0;
      let found = false;
      for (let place = 0; place < PTES_PER_CHAIN; place += 1) {
        const entry = isa.read(link + ptes + 4 * place);
        if (entry === at) {
          isa.write(link + ptes + 4 * place, 0);
          found = true;
        } else if (entry !== 0) others += 1;
      }
      if (found) {
        if (others === 0) {
          isa.write(before, isa.read(link + next));
          slabs.pteChains.free(link);
        }
        break;
      }
      before = link + next;
    }
    unlockChain(page);
  }

  function moved(page: Addr, from: Addr, to: Addr): void {
    lockChain(page);
    for (let link = isa.read(page + chain); link !== 0; link = isa.read(link + next))
      for (let place = 0; place < PTES_PER_CHAIN; place += 1)
        if (isa.read(link + ptes + 4 * place) === from) isa.write(link + ptes + 4 * place, to);
    unlockChain(page);
  }

  /** The address that an entry is for, from its table page. */
  function addressOf(table: Addr, at: Addr): number {
    return pages.indexOf(table) + (((at - pages.contentOf(table)) / entryBytes) << PAGE_SHIFT);
  }

  /** All entries, as they are now. */
  function entries(page: Addr): Addr[] {
    const all: Addr[] = [];
    for (let link = isa.read(page + chain); link !== 0; link = isa.read(link + next))
      for (let place = 0; place < PTES_PER_CHAIN; place += 1) {
        const entry = isa.read(link + ptes + 4 * place);
        if (entry !== 0) all.push(entry);
      }
    return all;
  }

  function holds(page: Addr, at: Addr): boolean {
    return entries(page).includes(at);
  }

  function walk(page: Addr, visit: Visit): boolean {
    let complete = true;
    lockChain(page);
    for (const at of entries(page)) {
      // While the chain was unlocked for the one before, others may have gone.
      if (!holds(page, at)) continue;
      // It is in the chain, so it maps the page and its table is there, as long as maplock or its page_table_lock is held.
      const table = pages.pageOfContent(at - (at % FRAME_BYTES));
      const mm = pages.mappingOf(table);
      const address = addressOf(table, at);
      if (!sections.enter('swapoutAnon', { mm })) {
        complete = false;
        continue;
      }
      unlockChain(page);
      const vma = vmaTree.findVma(mm, address);
      const more = visit(at, mm, vma, address);
      sections.leave();
      lockChain(page);
      if (!more) break;
    }
    unlockChain(page);
    return complete;
  }

  return { add, moved, removed, walk };
}

/** Chains of anonymous pages. */
export function anonByPteChain(k: Kernel): AnonDesign {
  const { add, moved, removed, walk } = chains(k);
  return {
    prepare: () => true,
    lockOf: () => 0,
    copied: () => true,
    forked: () => true,
    unlinked: () => {},
    mergeable: () => true,
    merging: () => true,
    mmBorn: () => true,
    mmGone: () => {},
    added(page, _vma, address, at) {
      k.isa.writeOnce(page + Page.mapping, MAPPING_ANON);
      k.isa.writeOnce(page + Page.index, address >>> PAGE_SHIFT);
      return add(page, at);
    },
    moved,
    removed,
    walk,
  };
}

/** Chains of files' pages. */
export function fileByPteChain(k: Kernel): FileDesign {
  const { add, moved, removed, walk } = chains(k);
  return { added: add, moved, removed, walk };
}
