/**
 * From an address to the object it lies in: for evidence, and for whatever checks accesses.
 *
 * An object table has a word for each 4 KiB page of the machine: the slab whose objects lie there, 0 for none. Slabs have their pages to
 * themselves and enter them when they are set up. From the slab come the object's start and its header, from the header's kind tag the layout, of
 * those that the reader knows. All of it lies in shared memory, so any thread can read it, and so can one that has only a copy of the memory.
 *
 * What is read of a running machine is of the moment it is read: an object may be freed while its name is put together.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { Header } from './layout.ts';
import type { Machine } from './machine.ts';
import { declaredLayouts, fieldAt, infoOf, nameOf, ptr, sizeOf, struct, u32, words } from './struct.ts';

/** Bytes that one entry of an object table stands for. */
export const SLAB_PAGE = 4096;
/** The most layouts that one slab is made for. */
export const MAX_KINDS = 4;

/** The head of a slab, constant once it is set up; its lists follow, a line each. */
export const SlabHead = struct('slab', {
  lists: u32,
  objects: u32,
  stride: u32,
  first: ptr(),
  /** Free objects that each CPU keeps. */
  cache: u32,
  kinds: words(MAX_KINDS),
});
/** The last words of an object's slot. */
export const SlabHeader = struct('slab_header', { state: u32, next: ptr(), kind: u32, by: u32 });
/** Bytes of that. */
export const SLAB_HEADER_BYTES = sizeOf(SlabHeader);

const tags = new WeakMap<object, number>();

/** The kind tag of a layout: its name and fields hashed (FNV-1a), so that every thread comes to the same; never 0. */
export function tagOf(layout: object): number {
  const known = tags.get(layout);
  if (known !== undefined) return known;
  const { name, fields } = infoOf(layout);
  const text = [
    name,
    ...fields.map((each) => `${each.name}@${each.offset}:${each.field.count}${each.field.type}`),
  ].join();
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  tags.set(layout, hash || 1);
  return hash || 1;
}

/** The layout of this thread's that a kind tag stands for. */
export function layoutOf(tag: number): object | undefined {
  return declaredLayouts().find((layout) => tagOf(layout) === tag);
}

/** An object that an address lies in. */
export interface Found {
  /** The object's first byte. */
  readonly object: Addr;
  /** Its number in its slab, from 0. */
  readonly index: number;
  /** Bytes from the object's start to the address. */
  readonly offset: number;
  /** The layout it has now; undefined when it is none of those given. */
  readonly layout: object | undefined;
  /** The field at the address; undefined for the slab's header and for padding. */
  readonly field: string | undefined;
  readonly generation: number;
  readonly live: boolean;
  /** The CPU that allocated or freed it last; undefined when that was no CPU, or nobody. */
  readonly by: number | undefined;
}

/** Names addresses. */
export interface Objects {
  /** The slab object that an address lies in; undefined when in none. */
  find(addr: Addr): Found | undefined;
  /** An address in words: `page#12.refcount (generation 4, free)`; where no object lies, the number. */
  whatIs(addr: Addr): string;
}

/** Takes memory for an object table of the whole machine from its heap. @throws OutOfMemory */
export function createObjectTable(machine: Machine): Addr {
  return machine.alloc(4 * Math.ceil(machine.words.byteLength / SLAB_PAGE));
}

/**
 * The reader of an object table.
 * @param layouts those that its slabs are made for
 */
export function objects(
  { isa }: { readonly isa: Pick<Isa, 'readOnce'> },
  table: Addr,
  layouts: readonly object[],
): Objects {
  const bytes = isa.readOnce(Header.bytes);
  const byTag = new Map(layouts.map((layout) => [tagOf(layout), layout]));

  function find(addr: Addr): Found | undefined {
    if (!(addr > 0 && addr < bytes)) return undefined;
    const slab = isa.readOnce(table + 4 * Math.floor(addr / SLAB_PAGE));
    if (slab === 0) return undefined;
    const stride = isa.readOnce(slab + SlabHead.stride);
    const distance = addr - isa.readOnce(slab + SlabHead.first);
    const index = Math.floor(distance / stride);
    if (index < 0 || index >= isa.readOnce(slab + SlabHead.objects)) return undefined;
    const offset = distance - index * stride;
    const object = addr - offset;
    const header = object + stride - SLAB_HEADER_BYTES;
    const layout = byTag.get(isa.readOnce(header + SlabHeader.kind));
    const generation = isa.readOnce(header + SlabHeader.state) >>> 0;
    const by = isa.readOnce(header + SlabHeader.by);
    return {
      object,
      index,
      offset,
      layout,
      field: layout && offset < stride - SLAB_HEADER_BYTES ? fieldAt(layout, offset) : undefined,
      generation,
      live: (generation & 1) === 1,
      by: by === 0 ? undefined : by - 1,
    };
  }

  function whatIs(addr: Addr): string {
    const found = find(addr);
    if (!found) return addr === 0 ? 'NULL' : `0x${(addr >>> 0).toString(16)}`;
    const { layout, index, offset, field, generation, live } = found;
    const place = field === undefined ? (offset === 0 ? '' : `+0x${offset.toString(16)}`) : `.${field}`;
    return `${layout ? nameOf(layout) : 'object'}#${index}${place} (generation ${generation}${live ? '' : ', free'})`;
  }

  return { find, whatIs };
}
