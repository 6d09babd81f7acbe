/**
 * The type-stable slab: objects of one kind whose memory never becomes anything else, like a Linux slab with SLAB_TYPESAFE_BY_RCU.
 *
 * A freed object keeps its content, is not given back, and is handed out again first of all: by the CPU that freed it from its own list, if CPUs have
 * lists (`cache`), else by whoever comes next. That makes the races that hang on recycling reachable: a pointer that outlived its object finds
 * another object of the same kind, soon, with a lock that works and fields that look right.
 *
 * An object's slot ends in a header of four words: `state` (a generation: odd, live; even, free; counts both changes), `next` on the
 * free list, `kind` (the layout it has now) and `by` (the CPU that allocated or freed it last, plus 1). What the object keeps while it is free, an
 * initialised lock say, is its own affair: the allocator writes no word of it. Slots begin on cache lines of their own, unless packed.
 *
 * Freeing claims the change of state by compare-exchange, so that of two CPUs that free one object one is told; then the object goes to a list.
 * A list is a stack under a test-and-set word, held for a few accesses. It is a lock, not a compare-exchange of the head, because of ABA: beside
 * an address 32 bits have no room for a tag wide enough for a CPU that is preempted between reading the head's successor and exchanging the head.
 * Interrupts are off meanwhile, since a handler may free to the list that it interrupted. Objects never move from list to list, so a
 * search that found every list empty has missed none but those freed behind it.
 *
 * Ordering: taking and releasing a list's word puts the last owner's accesses before the next owner's.
 *
 * A slab made for several layouts is memory that is not type-stable, for variants that must fail for want of it.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Cpu } from './cpu.ts';
import { LINE, roundUp } from './layout.ts';
import type { Machine } from './machine.ts';
import { MAX_KINDS, SLAB_HEADER_BYTES, SLAB_PAGE, SlabHead, SlabHeader, tagOf } from './objects.ts';
import { nameOf, ptr, sizeOf, struct, u32 } from './struct.ts';

const List = struct('slab_list', { lock: u32, head: ptr(), count: u32 });

/** What a slab is made of. */
export interface SlabSpec {
  /** The struct of its objects; up to 4 of them for a slab that is not type-stable. */
  readonly layout: object | readonly object[];
  /** How many objects. */
  readonly objects: number;
  /** How many free objects each CPU keeps for itself; 0 unless given: an object goes to whichever CPU asks next. */
  readonly cache?: number;
  /** Lets objects share cache lines. */
  readonly packed?: boolean;
}

/** All objects of a slab are in use. */
export class OutOfObjects extends Error {
  readonly code = 'ENOOBJECTS';
  readonly struct: string;
  readonly objects: number;
  constructor(name: string, objects: number) {
    super(`all ${objects} objects of the slab '${name}' are in use: free some, or create it with more`);
    this.name = 'OutOfObjects';
    this.struct = name;
    this.objects = objects;
  }
}

/** An object was freed that is free, or that is none of the slab's. */
export class SlabError extends Error {
  readonly code: 'EDOUBLEFREE' | 'EFOREIGNFREE';
  readonly addr: Addr;
  constructor(code: 'EDOUBLEFREE' | 'EFOREIGNFREE', addr: Addr, message: string) {
    super(message);
    this.name = 'SlabError';
    this.code = code;
    this.addr = addr;
  }
}

/** The operations of a slab. */
export interface Slab {
  readonly objects: number;
  /** Bytes from one object to the next; the last of them are its header. */
  readonly stride: number;
  /**
   * @param layout which, of a slab made for several; the first unless given
   * @returns an object with the content it was freed with, zeros the first time, or what the constructor wrote @throws OutOfObjects
   */
  alloc(layout?: object): Addr;
  /** Like `alloc`, but returns 0 when all objects are in use. */
  tryAlloc(layout?: object): Addr;
  /** @throws SlabError when it is free already, or is none of this slab's objects */
  free(object: Addr): void;
  /** Odd while the object is live; another one after each change. @throws SlabError when it is none of this slab's */
  generation(object: Addr): number;
  /** How many objects are free; of a running machine an estimate. */
  freeObjects(): number;
  /** The number of the object that an address lies in, from 0; -1 when in none. */
  indexOf(addr: Addr): number;
  /** @throws RangeError when there is no such object */
  objectAt(index: number): Addr;
}

const layoutsOf = (layout: SlabSpec['layout']): readonly object[] =>
  Array.isArray(layout) ? layout : [layout];

function plan({ layout, objects, cache = 0, packed = false }: SlabSpec, cpus: number) {
  const layouts = layoutsOf(layout);
  if (layouts.length < 1 || layouts.length > MAX_KINDS)
    throw new RangeError(`a slab has objects of 1 to ${MAX_KINDS} layouts, not ${layouts.length}`);
  const bytes = Math.max(...layouts.map(sizeOf));
  const names = layouts.map(nameOf).join('/');
  if (bytes === 0) throw new RangeError(`struct '${names}' has no fields: a slab needs objects with some`);
  if (!Number.isInteger(objects) || objects < 1)
    throw new RangeError(`the slab '${names}' has a whole number of objects from 1, not ${objects}`);
  if (!Number.isInteger(cache) || cache < 0)
    throw new RangeError(
      `the slab '${names}' keeps a whole number of free objects for each CPU, not ${cache}`,
    );
  const stride = roundUp(bytes + SLAB_HEADER_BYTES, packed ? 4 : LINE);
  if (objects * stride > 2 ** 30)
    throw new RangeError(
      `${objects} objects of ${stride} bytes are more than the 1 GiB that a machine can have`,
    );
  const lists = cache === 0 ? 1 : 1 + cpus;
  return {
    layouts,
    objects,
    cache,
    stride,
    lists,
    head: LINE * (1 + lists),
    body: roundUp(objects * stride, SLAB_PAGE),
  };
}

/** Bytes that a slab takes, with what the alignment of its objects to 4 KiB may cost. */
export function slabBytes(spec: SlabSpec, cpus: number): number {
  const { head, body } = plan(spec, cpus);
  return head + SLAB_PAGE + body;
}

/** Where the objects of a slab lie that is set up at `at`. @returns the first, bytes from one to the next, how many */
export function slabPlaces(
  at: Addr,
  spec: SlabSpec,
  cpus: number,
): { readonly first: Addr; readonly stride: number; readonly objects: number } {
  const { head, stride, objects } = plan(spec, cpus);
  return { first: roundUp(at + head, SLAB_PAGE), stride, objects };
}

/** How a slab is set up. */
export interface SlabSetup {
  readonly cpus: number;
  /** The object table in which its pages are entered; see `createObjectTable`. */
  readonly table?: Addr;
  /** Runs once for each object, ever. */
  readonly construct?: (isa: Isa, object: Addr) => void;
}

/**
 * Sets up a slab in zeroed memory, before any CPU uses it.
 * @param at a multiple of 64, with {@link slabBytes} of room
 */
export function initSlab(
  isa: Isa,
  at: Addr,
  spec: SlabSpec,
  { cpus, table = 0, construct }: SlabSetup,
): void {
  const { layouts, objects, cache, stride, lists, head, body } = plan(spec, cpus);
  const first = roundUp(at + head, SLAB_PAGE);
  isa.write(at + SlabHead.lists, lists);
  isa.write(at + SlabHead.objects, objects);
  isa.write(at + SlabHead.stride, stride);
  isa.write(at + SlabHead.first, first);
  isa.write(at + SlabHead.cache, cache);
  for (const [index, each] of layouts.entries()) isa.write(at + SlabHead.kinds + 4 * index, tagOf(each));
  let next = 0;
  for (let index = objects - 1; index >= 0; index -= 1) {
    const object = first + index * stride;
    const header = object + stride - SLAB_HEADER_BYTES;
    isa.write(header + SlabHeader.next, next);
    isa.write(header + SlabHeader.kind, tagOf(layouts[0]!));
    construct?.(isa, object);
    next = object;
  }
  if (table !== 0)
    for (let page = first; page < first + body; page += SLAB_PAGE)
      isa.write(table + 4 * (page / SLAB_PAGE), at);
  isa.write(at + LINE + List.count, objects);
  isa.store(at + LINE + List.head, next);
}

/** Takes memory for a slab from the machine's heap and sets it up. @throws OutOfMemory */
export function createSlab(machine: Machine, spec: SlabSpec, setup: Omit<SlabSetup, 'cpus'> = {}): Addr {
  const at = machine.alloc(slabBytes(spec, machine.cpus));
  initSlab(machine.boot, at, spec, { ...setup, cpus: machine.cpus });
  return at;
}

/** Whose slab: a CPU's, or a thread's that is none. */
export interface SlabUser {
  readonly isa: Isa;
  readonly cpu?: Cpu | undefined;
}

/** What is constant of a slab. */
type SlabShape = Record<'lists' | 'objects' | 'stride' | 'first' | 'cache', number>;

/**
 * The slab at `at`, for one CPU; for a thread that is no CPU without `cpu`.
 * @param layout what it was made for
 * @throws TypeError when it was made for something else
 */
export function slab(user: SlabUser, at: Addr, layout: SlabSpec['layout']): Slab {
  const { isa } = user;
  const kinds = layoutsOf(layout);
  kinds.forEach((each, index) => {
    if (isa.readOnce(at + SlabHead.kinds + 4 * index) !== tagOf(each))
      throw new TypeError(
        `there is no slab of struct '${nameOf(each)}' at 0x${at.toString(16)}, or its declaration differs from the one here`,
      );
  });
  return slabOf(user, at, kinds, {
    lists: isa.readOnce(at + SlabHead.lists),
    objects: isa.readOnce(at + SlabHead.objects),
    stride: isa.readOnce(at + SlabHead.stride),
    first: isa.readOnce(at + SlabHead.first),
    cache: isa.readOnce(at + SlabHead.cache),
  });
}

/**
 * The slab that {@link initSlab} set up, or will, at `at` for `cpus` CPUs by this spec: nothing is read of it before it is used.
 * @param cpus CPUs that it was set up for
 */
export function slabAt(user: SlabUser, at: Addr, spec: SlabSpec, cpus: number): Slab {
  const { layouts, ...shape } = plan(spec, cpus);
  return slabOf(user, at, layouts, { ...shape, first: slabPlaces(at, spec, cpus).first });
}

function slabOf({ isa, cpu }: SlabUser, at: Addr, kinds: readonly object[], shape: SlabShape): Slab {
  const { lists, objects, stride, first, cache } = shape;
  const names = kinds.map(nameOf).join('/');
  const tail = stride - SLAB_HEADER_BYTES;
  const by = cpu ? cpu.id + 1 : 0;
  const shared = at + LINE;
  const own = cpu && lists > 1 ? shared + LINE * by : shared;

  function lock(list: Addr): void {
    while (isa.compareExchangeAcquire(list + List.lock, 0, 1) !== 0) isa.spinWhile(list + List.lock, 1);
  }

  function pop(list: Addr): Addr {
    if (isa.readOnce(list + List.head) === 0) return 0;
    lock(list);
    const object = isa.read(list + List.head);
    if (object !== 0) {
      isa.writeOnce(list + List.head, isa.read(object + tail + SlabHeader.next));
      isa.writeOnce(list + List.count, isa.read(list + List.count) - 1);
    }
    isa.storeWake(list + List.lock, 0);
    return object;
  }

  function push(list: Addr, object: Addr): void {
    lock(list);
    isa.write(object + tail + SlabHeader.next, isa.read(list + List.head));
    isa.writeOnce(list + List.head, object);
    isa.writeOnce(list + List.count, isa.read(list + List.count) + 1);
    isa.storeWake(list + List.lock, 0);
  }

  function take(): Addr {
    let object = pop(own);
    if (object === 0 && own !== shared) object = pop(shared);
    for (let list = 1; object === 0 && list < lists; list += 1) object = pop(shared + LINE * list);
    return object;
  }

  function tryAlloc(as: object = kinds[0]!): Addr {
    if (!kinds.includes(as))
      throw new TypeError(`the slab '${names}' is not made for struct '${nameOf(as)}'`);
    cpu?.irqDisable();
    const object = take();
    cpu?.irqEnable();
    if (object === 0) return 0;
    const header = object + tail;
    if (kinds.length > 1) isa.writeOnce(header + SlabHeader.kind, tagOf(as));
    isa.writeOnce(header + SlabHeader.by, by);
    isa.fetchAdd(header + SlabHeader.state, 1);
    cpu?.tracking.allocated(object, as, at);
    return object;
  }

  function alloc(as?: object): Addr {
    const object = tryAlloc(as);
    if (object === 0) throw new OutOfObjects(names, objects);
    return object;
  }

  function indexOf(addr: Addr): number {
    const index = Math.floor((addr - first) / stride);
    return index >= 0 && index < objects ? index : -1;
  }

  function checked(object: Addr): Addr {
    const index = indexOf(object);
    if (index < 0 || first + index * stride !== object) {
      const inside =
        index < 0
          ? `is none of the ${objects} objects of the slab '${names}'`
          : `is not the start of the object '${names}' #${index}`;
      throw new SlabError('EFOREIGNFREE', object, `0x${object.toString(16)} ${inside}`);
    }
    return object + tail;
  }

  /** The layout that an object has now. */
  function kindOf(header: Addr): object {
    if (kinds.length === 1) return kinds[0]!;
    const tag = isa.readOnce(header + SlabHeader.kind);
    return kinds.find((each) => tagOf(each) === tag) ?? kinds[0]!;
  }

  function free(object: Addr): void {
    const header = checked(object);
    const before = isa.load(header + SlabHeader.state);
    if (
      (before & 1) === 0 ||
      isa.compareExchange(header + SlabHeader.state, before, (before + 1) | 0) !== before
    ) {
      const last = isa.readOnce(header + SlabHeader.by);
      const who = last === 0 ? '' : `, by CPU ${last - 1}`;
      throw new SlabError(
        'EDOUBLEFREE',
        object,
        `${names}#${indexOf(object)} is freed twice: it is free since generation ${before & 1 ? before + 1 : before}${who}`,
      );
    }
    cpu?.tracking.freed(object, kindOf(header), at);
    isa.writeOnce(header + SlabHeader.by, by);
    cpu?.irqDisable();
    push(own !== shared && isa.readOnce(own + List.count) < cache ? own : shared, object);
    cpu?.irqEnable();
  }

  function freeObjects(): number {
    let sum = 0;
    for (let list = 0; list < lists; list += 1) sum += isa.readOnce(shared + LINE * list + List.count);
    return sum;
  }

  function objectAt(index: number): Addr {
    if (!Number.isInteger(index) || index < 0 || index >= objects)
      throw new RangeError(`the slab '${names}' has no object ${index}: it has 0 to ${objects - 1}`);
    return first + index * stride;
  }

  return {
    objects,
    stride,
    alloc,
    tryAlloc,
    free,
    generation: (object) => isa.load(checked(object) + SlabHeader.state),
    freeObjects,
    indexOf,
    objectAt,
  };
}
