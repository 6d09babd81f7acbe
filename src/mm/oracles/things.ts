/**
 * The objects of a model's slabs as an oracle finds them: all that there are, free ones too, each with its name.
 *
 * Where they lie is read from the head of the slab, so a slab that is made differently is read as it is. An object of a slab for several layouts counts as a thing of its kind only while
 * its tag says so. A slab that nobody has set up, or whose head makes no sense, has none.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { nameOf } from '../../memory/index.ts';
import { SLAB_HEADER_BYTES, SlabHead, SlabHeader, tagOf } from '../../memory/objects.ts';

/** An object of a slab. */
export interface Thing {
  readonly at: Addr;
  /** Its number in the slab. */
  readonly index: number;
  /** As in `vm_area_struct#2`. */
  readonly name: string;
  readonly live: boolean;
  /** Odd while it is live. */
  readonly generation: number;
}

/** All objects of one kind. */
export interface Things {
  readonly all: readonly Thing[];
  readonly live: readonly Thing[];
  /** The object that begins at an address, free or not; undefined when none does. */
  at(addr: Addr): Thing | undefined;
  /** The object that an address lies in, free or not; undefined when none does. */
  holding(addr: Addr): Thing | undefined;
  /** An address in words: the object's name, `NULL`, or the number. */
  called(addr: Addr): string;
}

/** Things as they were read last, by kind and number. A thing never changes, so one that reads the same is the same: most of them are, from census to census. */
const read = new Map<string, (Thing | undefined)[]>();

const known = new Map<string, string[]>();

/** `vm_area_struct#0` and the like: the same for each census, so they are made once. */
export function labels(before: string, count: number, after = ''): readonly string[] {
  const all = known.get(before) ?? [];
  known.set(before, all);
  for (let index = all.length; index < count; index += 1) all.push(`${before}${index}${after}`);
  return all;
}

/** An address in words, where no name is known. */
export const hex = (addr: number): string => (addr === 0 ? 'NULL' : `0x${(addr >>> 0).toString(16)}`);

/** Reads the slab at an address. @param end where its memory ends, at the latest */
export function readThings(isa: Pick<Isa, 'read'>, slab: Addr, end: Addr, layout: object): Things {
  const stride = isa.read(slab + SlabHead.stride);
  const first = isa.read(slab + SlabHead.first);
  const stated = isa.read(slab + SlabHead.objects);
  const room = stride > 0 && stride % 4 === 0 && first > slab ? (end - first) / stride : 0;
  const objects = stated > 0 && stated <= room ? stated : 0;
  const [name, tag] = [nameOf(layout), tagOf(layout) | 0];
  const names = labels(`${name}#`, objects);
  const before = read.get(name) ?? [];
  read.set(name, before);
  const slots: (Thing | undefined)[] = [];
  const all: Thing[] = [];
  const live: Thing[] = [];
  for (let index = 0; index < objects; index += 1) {
    const at = first + index * stride;
    const header = at + stride - SLAB_HEADER_BYTES;
    if (isa.read(header + SlabHeader.kind) !== tag) {
      slots.push(undefined);
      continue;
    }
    const generation = isa.read(header + SlabHeader.state);
    let thing = before[index];
    if (thing?.at !== at || thing.generation !== generation) {
      thing = { at, index, name: names[index]!, live: (generation & 1) === 1, generation };
      before[index] = thing;
    }
    slots.push(thing);
    all.push(thing);
    if (thing.live) live.push(thing);
  }
  const at = (addr: Addr): Thing | undefined => {
    const index = (addr - first) / stride;
    // An index that is no whole number would be looked up as a name.
    return index >= 0 && index < objects && (index | 0) === index ? slots[index] : undefined;
  };
  const holding = (addr: Addr): Thing | undefined =>
    addr >= first && addr < first + objects * stride ? slots[Math.floor((addr - first) / stride)] : undefined;
  return { all, live, at, holding, called: (addr) => at(addr)?.name ?? hex(addr) };
}
