/**
 * The page allocator: one frame at a time (mm/page_alloc.c of 2.6.5 without its higher orders).
 *
 *   zone.free_list     free pages, linked by page.lru, under zone.lock
 *   MmCpu.pcp          up to `spec.pcp` pages that a CPU keeps for itself, with interrupts off; filled and drained by half of that at a time
 *
 * Both are stacks: what was freed last is handed out first, by the CPU that freed it if it has a pageset, else by whoever asks next. So whatever still
 * uses a page that was freed meets the next owner soon. The pages that a CPU gives back are those it has not used for longest.
 *
 * A free page has no references, is not mapped, has no flags, no mapping, and an even `debug_generation` (docs/mm.md, Oracles). That is put in order, and checked, when a
 * page is freed, so that whoever allocates it finds it so. The generation is read first and changed by compare-exchange: of two CPUs that free one page one is told,
 * even if a third has allocated it in between.
 *
 * Ordering: zone.lock, or being the same CPU, puts the last owner's accesses before the next one's. `_refcount` is set last: until then a speculative `getUnlessZero`
 * fails. zone.lock is taken with interrupts off, since a handler may free.
 *
 * A CPU's pageset is out of the others' reach: with one, pages can be free and none be had. `drain` gives them back.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { Pages } from './pages.ts';
import { cpusOf, mmCpuOf } from './per-cpu.ts';
import { MAPPING_ANON, MAPPING_FLAGS, MAPPING_MOVABLE, MmCpu, Page, PG, Zone } from './structs.ts';

/** Flags that a page may still have when it is freed; they go with it. */
const GO_WITH_IT = PG.referenced.mask | PG.uptodate.mask | PG.dirty.mask | PG.swapbacked.mask;

/** A page was freed that is in use, or free already (bad_page). */
export class BadPage extends Error {
  readonly code = 'EBADPAGE';
  readonly page: Addr;
  constructor(page: Addr, message: string) {
    super(`bad_page: ${message}`);
    this.name = 'BadPage';
    this.page = page;
  }
}

/** Hands out pages. */
export interface PageAlloc {
  /** Puts all frames but number 0 on the free list. Once, before anything else. */
  init(): void;
  /** @returns a struct page with one reference, all else as in a free one, its content undefined; 0 when there is none */
  allocPage(): Addr;
  /** The free page of the zone with the highest number, if that is above `pfn` (isolate_freepages); as {@link PageAlloc.allocPage} returns it. */
  allocAbove(pfn: number): Addr;
  /** Takes a page back that nobody has a reference to and that is on no list. @throws BadPage */
  freePage(page: Addr): void;
  /** Free pages, those that CPUs keep included; of a running machine an estimate. */
  freePages(): number;
  /** Gives the pages that this CPU keeps back to the zone. */
  drain(): void;
}

export function pageAlloc({
  isa,
  cpu,
  spec,
  world,
  locks: { spin },
  lists,
  pages,
}: Base & { readonly pages: Pages }): PageAlloc {
  const { flags, _refcount, _mapcount, mapping, index, private: priv, lru, debug_generation } = Page;
  const { zone } = world;
  const freeList = zone + Zone.free_list;
  const mine = mmCpuOf(world, cpu.id);
  const batch = (spec.pcp + 1) >> 1;

  function count(word: Addr, by: number): void {
    isa.writeOnce(word, isa.read(word) + by);
  }

  /** Takes the first page off a list. */
  function pop(list: Addr): Addr {
    const entry = lists.first(list);
    if (entry === 0) return 0;
    lists.del(entry);
    return entry - lru;
  }

  function takeFromZone(): Addr {
    spin.acquire(zone + Zone.lock);
    const page = pop(freeList);
    if (page !== 0) count(zone + Zone.free_pages, -1);
    spin.release(zone + Zone.lock);
    return page;
  }

  /** Takes the page with the highest number off the zone's list. */
  function takeHighest(above: number): Addr {
    spin.acquire(zone + Zone.lock);
    let highest = above;
    lists.forEach(freeList, (entry) => {
      highest = Math.max(highest, pages.pfnOf(entry - lru));
    });
    const page = highest > above ? pages.pageAt(highest) : 0;
    if (page !== 0) {
      lists.del(page + lru);
      count(zone + Zone.free_pages, -1);
    }
    spin.release(zone + Zone.lock);
    return page;
  }

  function giveToZone(page: Addr): void {
    spin.acquire(zone + Zone.lock);
    lists.add(page + lru, freeList);
    count(zone + Zone.free_pages, 1);
    spin.release(zone + Zone.lock);
  }

  /** Moves the zone's latest pages behind those of the pageset (rmqueue_bulk). */
  function refill(): void {
    spin.acquire(zone + Zone.lock);
    let moved = 0;
    for (; moved < batch; moved += 1) {
      const entry = lists.first(freeList);
      if (entry === 0) break;
      lists.moveTail(entry, mine + MmCpu.pcp);
    }
    count(zone + Zone.free_pages, -moved);
    spin.release(zone + Zone.lock);
    count(mine + MmCpu.pcp_count, moved);
  }

  /** Moves the coldest pages of the pageset to the zone (free_pages_bulk). */
  function giveBack(most: number): void {
    spin.acquire(zone + Zone.lock);
    let moved = 0;
    for (; moved < most; moved += 1) {
      const entry = lists.last(mine + MmCpu.pcp);
      if (entry === 0) break;
      lists.move(entry, freeList);
    }
    count(zone + Zone.free_pages, moved);
    spin.release(zone + Zone.lock);
    count(mine + MmCpu.pcp_count, -moved);
  }

  function takeFromPageset(): Addr {
    if (isa.read(mine + MmCpu.pcp_count) === 0) refill();
    const page = pop(mine + MmCpu.pcp);
    if (page !== 0) count(mine + MmCpu.pcp_count, -1);
    return page;
  }

  function giveToPageset(page: Addr): void {
    lists.add(page + lru, mine + MmCpu.pcp);
    count(mine + MmCpu.pcp_count, 1);
    if (isa.read(mine + MmCpu.pcp_count) > spec.pcp) giveBack(batch);
  }

  const [take, give] = spec.pcp === 0 ? [takeFromZone, giveToZone] : [takeFromPageset, giveToPageset];

  function bad(page: Addr, how: string): never {
    throw new BadPage(page, `page ${pages.pfnOf(page)} is freed ${how}`);
  }

  /** Refuses a page that is in use, and wipes what may be left of its last use. */
  function checkAndWipe(page: Addr): void {
    if (!pages.isPage(page)) throw new BadPage(page, `0x${page.toString(16)} is freed, which is no page`);
    const generation = isa.readOnce(page + debug_generation);
    const references = isa.readOnce(page + _refcount);
    if (references !== 0) bad(page, `with ${references} references`);
    const maps = isa.readOnce(page + _mapcount);
    if (maps !== -1) bad(page, `with _mapcount ${maps}`);
    const set = isa.readOnce(page + flags);
    if ((set & ~GO_WITH_IT) !== 0) bad(page, `with ${namesOf(set & ~GO_WITH_IT)} set`);
    const owner = isa.readOnce(page + mapping);
    // An anonymous page keeps its anon_vma until it is freed; a movable page keeps the bit alone.
    if (owner !== 0 && (owner & MAPPING_FLAGS) !== MAPPING_ANON && owner !== MAPPING_MOVABLE)
      bad(page, `with the mapping 0x${owner.toString(16)}`);
    if (
      (generation & 1) === 0 ||
      isa.compareExchange(page + debug_generation, generation, (generation + 1) | 0) !== generation
    )
      bad(page, 'twice');
    if (set !== 0) isa.writeOnce(page + flags, 0);
    if (owner !== 0) isa.writeOnce(page + mapping, 0);
    isa.writeOnce(page + index, 0);
    isa.writeOnce(page + priv, 0);
  }

  function alloc(from: () => Addr): Addr {
    cpu.irqDisable();
    const page = from();
    cpu.irqEnable();
    if (page === 0) return 0;
    isa.fetchAdd(page + debug_generation, 1);
    isa.writeOnce(page + _refcount, 1);
    return page;
  }

  return {
    init() {
      lists.init(freeList);
      for (let each = 0; each < cpusOf(world); each += 1) lists.init(mmCpuOf(world, each) + MmCpu.pcp);
      for (let pfn = spec.frames; pfn > 0; pfn -= 1) {
        const page = pages.pageAt(pfn);
        isa.write(page + _mapcount, -1);
        lists.add(page + lru, freeList);
      }
      isa.write(zone + Zone.free_pages, spec.frames);
    },
    allocPage: () => alloc(take),
    allocAbove: (pfn) => alloc(() => takeHighest(pfn)),
    freePage(page) {
      checkAndWipe(page);
      cpu.irqDisable();
      give(page);
      cpu.irqEnable();
    },
    freePages() {
      let sum = isa.readOnce(zone + Zone.free_pages);
      if (spec.pcp !== 0)
        for (let each = 0; each < cpusOf(world); each += 1)
          sum += isa.readOnce(mmCpuOf(world, each) + MmCpu.pcp_count);
      return sum;
    },
    drain() {
      cpu.irqDisable();
      giveBack(spec.pcp);
      cpu.irqEnable();
    },
  };
}

/** The names of flags: `PG_locked, PG_lru`. */
function namesOf(set: number): string {
  return Object.entries(PG)
    .filter(([, { mask }]) => (set & mask) !== 0)
    .map(([name]) => `PG_${name}`)
    .join(', ');
}
