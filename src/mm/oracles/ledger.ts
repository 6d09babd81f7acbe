/**
 * The ledger: what users have written and been told is written, as O-TAG, O-LOST and the device of docs/mm.md need it.
 *
 * An acknowledgement is recorded by who made the write, when the store has been made through a translation that allowed it: from there on everyone who reads the place must find that write or
 * a later one, whatever the kernel does with the page meanwhile (copies it, swaps it out, moves its entry). The record lies in shared memory beside the model, a line a place, found by
 * open addressing:
 *
 *   owner of the place   an mm_struct, for its private memory; an address_space, for what is mapped shared; a struct page, for what a device writes by frame number
 *   page                 in it: of the address space, of the file; 0
 *   generation           of the owner when it was written: a place of an object that has been freed since says nothing
 *   by, version          what a read must find; `most`, the latest that it may find, where the child of a fork has its parent's page
 *
 * A place has one writer at a time, who counts his versions up: that is the users' part of the bargain, since else nobody knows which write was last. Who unmaps a place or lets its
 * content go (munmap, MADV_DONTNEED, truncate) makes the ledger forget it first; then nothing is promised.
 *
 * Ordering: a place is claimed by compare-exchange of its key, once and for all. Its other words are written relaxed, by its one writer; an oracle reads them at rest, or as a lower bound.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { LINE, struct, u32 } from '../../memory/index.ts';

const Place = struct('mm_ledger', {
  owner: u32,
  page: u32,
  claimed: u32,
  generation: u32,
  by: u32,
  version: u32,
  most: u32,
});

/** What a place of the ledger says. */
export interface Written {
  /** An mm_struct, an address_space, or a struct page. */
  readonly owner: Addr;
  readonly page: number;
  readonly generation: number;
  readonly by: number;
  /** The least that a read must find. */
  readonly version: number;
  /** The most that it may find. */
  readonly most: number;
}

/** The ledger of a model. */
export interface Ledger {
  /** A write of `by` to a place has been made: his `version`. @throws RangeError when there is no room for the place */
  wrote(owner: Addr, page: number, generation: number, by: number, version: number): void;
  /** Promises this about a place. @throws RangeError when there is no room for the place */
  promise(written: Written): void;
  /** Nothing is promised about these pages any more. */
  forgot(owner: Addr, from: number, to: number): void;
  /**
   * The child of a fork has its parent's pages.
   * @param before what `all` said of the parent before the fork: what a page holds is no older than that
   */
  forked(child: Addr, generation: number, parent: Addr, before: readonly Written[]): void;
  /** What is promised about a place. */
  find(owner: Addr, page: number): Written | undefined;
  /** All that is promised. */
  all(owner?: Addr): Written[];
}

/** Bytes of a ledger for so many places. */
export const ledgerBytes = (places: number): number => LINE * places;

/**
 * The ledger at `at`, in memory that was zeroed.
 * @param places how many places there are; some more than are used, or looking for one takes long
 */
export function ledger(
  isa: Pick<Isa, 'readOnce' | 'writeOnce' | 'compareExchange'>,
  at: Addr,
  places: number,
): Ledger {
  const { owner: OWNER, page: PAGE, claimed, generation: GENERATION, by: BY, version: VERSION, most } = Place;
  const keyOf = (owner: Addr, page: number): number =>
    (Math.imul(owner, 0x9e3779b1) ^ Math.imul(page, 0x85ebca6b)) | 1;

  /** The place of a page; claimed if need be and `claim` says so; 0: there is none. */
  function placeOf(owner: Addr, page: number, claim: boolean): Addr {
    const key = keyOf(owner, page);
    const from = (key >>> 8) % places;
    for (let step = 0; step < places; step += 1) {
      const place = at + LINE * ((from + step) % places);
      let held = isa.readOnce(place + claimed);
      if (held === 0) {
        if (!claim) return 0;
        held = isa.compareExchange(place + claimed, 0, key);
        if (held === 0) {
          isa.writeOnce(place + OWNER, owner);
          isa.writeOnce(place + PAGE, page);
          return place;
        }
      }
      if (held === key && isa.readOnce(place + OWNER) === owner && isa.readOnce(place + PAGE) === page)
        return place;
    }
    if (claim) throw new RangeError(`all ${places} places of the ledger are taken: make it with more`);
    return 0;
  }

  function note(place: Addr, generation: number, by: number, least: number, latest: number): void {
    isa.writeOnce(place + BY, by);
    isa.writeOnce(place + VERSION, least);
    isa.writeOnce(place + most, latest);
    isa.writeOnce(place + GENERATION, generation);
  }

  function written(place: Addr): Written | undefined {
    const generation = isa.readOnce(place + GENERATION);
    if (generation === 0) return undefined;
    return {
      owner: isa.readOnce(place + OWNER),
      page: isa.readOnce(place + PAGE),
      generation,
      by: isa.readOnce(place + BY),
      version: isa.readOnce(place + VERSION),
      most: isa.readOnce(place + most),
    };
  }

  function find(owner: Addr, page: number): Written | undefined {
    const place = placeOf(owner, page, false);
    return place === 0 ? undefined : written(place);
  }

  function all(owner?: Addr): Written[] {
    const found: Written[] = [];
    for (let place = at; place < at + LINE * places; place += LINE) {
      if (owner !== undefined && isa.readOnce(place + OWNER) !== owner) continue;
      const one = written(place);
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  function forgot(owner: Addr, from: number, to: number): void {
    for (const { page } of all(owner))
      if (page >= from && page < to) isa.writeOnce(placeOf(owner, page, false) + GENERATION, 0);
  }

  function promise({ owner, page, generation, by, version, most: latest }: Written): void {
    note(placeOf(owner, page, true), generation, by, version, latest);
  }

  return {
    wrote: (owner, page, generation, by, version) =>
      promise({ owner, page, generation, by, version, most: version }),
    promise,
    forgot,
    forked(child, generation, parent, before) {
      forgot(child, 0, 2 ** 31);
      for (const { page, by, version } of all(parent)) {
        const then = before.find((each) => each.page === page && each.by === by);
        promise({ owner: child, page, generation, by, version: then?.version ?? 0, most: version });
      }
    },
    find,
    all,
  };
}
