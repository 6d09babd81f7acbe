/**
 * What is left of slabs when everybody is done: objects that are allocated and, by what the scenario says of itself, should not be.
 *
 *   nothing     no object may be left
 *   reachable   those may stay to which a pointer leads: from a word of the roots, or from an object that is itself reachable
 *
 * The second is what kmemleak and Boehm's collector (1988) do, and as lenient: any word that holds an address inside an object counts as a pointer to it, whatever
 * it is meant for, so an old pointer hides a leak. Pointers that are no addresses (an index, one that is mixed with a count in its high bits) are
 * not seen. That is why nothing is judged unless the scenario says which: only its author knows what may be left.
 *
 * A slab's own words are no roots: its free lists and the content of free objects lead to what was there once.
 */
import type { Addr } from '../../src/arch/index.ts';
import { SLAB_HEADER_BYTES, SlabHead, SlabHeader } from '../../src/memory/objects.ts';

/** What may be left at the end. */
export type Keeps = 'nothing' | 'reachable';

/** Words from one address to another, the last excluded. */
export interface Range {
  readonly from: Addr;
  readonly to: Addr;
}

/** An object that is left. */
export interface Left {
  readonly object: Addr;
  /** Tag of its kind. */
  readonly kind: number;
  /** The CPU that allocated it, plus 1; 0: not known. */
  readonly by: number;
}

interface SlabAt {
  readonly at: Addr;
  readonly first: Addr;
  readonly end: Addr;
  readonly stride: number;
}

/** The slabs of a memory, as it is now. */
class Slabs {
  private readonly words: Int32Array;
  readonly all: readonly SlabAt[];

  constructor(words: Int32Array, slabs: readonly Addr[]) {
    this.words = words;
    this.all = slabs.flatMap((at) => {
      const [first, stride, objects] = [SlabHead.first, SlabHead.stride, SlabHead.objects].map(
        (field) => words[(at + field) >>> 2] ?? 0,
      ) as [number, number, number];
      const end = first + objects * stride;
      // Not set up (yet, or again) in this execution.
      return stride > SLAB_HEADER_BYTES && first > at && end <= words.byteLength
        ? [{ at, first, end, stride }]
        : [];
    });
  }

  /** The live object that an address lies in; 0: in none. */
  liveAt(addr: Addr): Addr {
    for (const { first, end, stride } of this.all) {
      if (addr < first || addr >= end) continue;
      const object = addr - ((addr - first) % stride);
      return addr < this.header(object) && this.live(object) ? object : 0;
    }
    return 0;
  }

  private strideAt(object: Addr): number {
    return this.all.find(({ first, end }) => object >= first && object < end)!.stride;
  }

  header(object: Addr): Addr {
    return object + this.strideAt(object) - SLAB_HEADER_BYTES;
  }

  live(object: Addr): boolean {
    return (this.words[(this.header(object) + SlabHeader.state) >>> 2]! & 1) !== 0;
  }

  /** Every object that is allocated. */
  allLive(): Addr[] {
    const found: Addr[] = [];
    for (const { first, end, stride } of this.all)
      for (let object = first; object < end; object += stride) if (this.live(object)) found.push(object);
    return found;
  }

  /** Where the slab ends that an address lies in; 0: in none. */
  skips(addr: Addr): Addr {
    for (const { at, end } of this.all) if (addr >= at && addr < end) return end;
    return 0;
  }
}

/** Follows pointers from the roots. */
function reached(words: Int32Array, slabs: Slabs, roots: readonly Range[]): Set<Addr> {
  const found = new Set<Addr>();
  const todo: Addr[] = [];
  const look = (addr: Addr): void => {
    const object = slabs.liveAt(words[addr >>> 2]!);
    if (object === 0 || found.has(object)) return;
    found.add(object);
    todo.push(object);
  };
  for (const { from, to } of roots)
    for (let addr = from; addr < to; addr += 4) {
      const end = slabs.skips(addr);
      if (end === 0) look(addr);
      else addr = end - 4;
    }
  for (let object = todo.pop(); object !== undefined; object = todo.pop()) {
    const end = slabs.header(object);
    for (let addr = object; addr < end; addr += 4) look(addr);
  }
  return found;
}

/**
 * The objects that are left and should not be.
 * @param words the memory, with all stores in it
 * @param slabs where slabs begin
 * @param roots what is searched for pointers
 */
export function leftOvers(
  words: Int32Array,
  slabs: readonly Addr[],
  roots: readonly Range[],
  keeps: Keeps,
): Left[] {
  const known = new Slabs(words, slabs);
  const live = known.allLive();
  if (live.length === 0) return [];
  const kept = keeps === 'nothing' ? undefined : reached(words, known, roots);
  return live
    .filter((object) => !kept?.has(object))
    .map((object) => {
      const header = known.header(object);
      return {
        object,
        kind: words[(header + SlabHeader.kind) >>> 2]!,
        by: words[(header + SlabHeader.by) >>> 2]!,
      };
    });
}
