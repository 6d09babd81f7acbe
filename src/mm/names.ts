/**
 * Names of the model's words, for evidence: `page[3]._refcount`, `vm_area_struct#2.vm_end`, `mm_struct#0.page_table_lock`, `zone.lru_lock`, `swap_map[2]`.
 *
 * A name is computed from the plan alone. It takes no access, so it can be asked for anywhere and at any time, and is the same before and after an object was freed. What the plan
 * does not say a name does not say either: whether a frame is a page table or user data. All of it is called `page_table[7].entry[3]`, and the two words that user data
 * has as well carry both names.
 *
 * A struct inside a struct is named by its fields (`lru.next`, `vm_rb.rb_left`, `mmap_sem.count`); a word of a union by each form that has it.
 */
import type { Addr } from '../arch/index.ts';
import { Qrwlock } from '../locking/qrwlock.ts';
import { Rwsem } from '../locking/rwsem.ts';
import { infoOf, membersOf, nameOf, type SlabSpec, sizeOf, slabPlaces } from '../memory/index.ts';
import { SLAB_HEADER_BYTES, SlabHeader } from '../memory/objects.ts';
import { Rcu, RcuCpu, rcuCpu } from '../rcu/grace.ts';
import { Srcu, srcuCount } from '../rcu/srcu.ts';
import { type DriverSlabName, driverSlabSpecs } from './drivers/slabs.ts';
import { type MmSpec, mmSpec } from './spec.ts';
import {
  Globals,
  MmCpu,
  PAGE_STRUCT_BYTES,
  Page,
  PageTable,
  Payload,
  RbNode,
  SwapInfo,
  TLB_ENTRIES,
  TlbEntry,
  Zone,
} from './structs.ts';
import { FRAME_BYTES, planWorld, type SlabSpecs, slabSpecs, type World } from './world.ts';

/** Names of the words of structs that lie in others. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  list_head: ['next', 'prev'],
  rb_node: infoOf(RbNode).fields.map(({ name }) => name),
  rwsem: infoOf(Rwsem).fields.map(({ name }) => name),
  // Each word on a line of its own.
  qrwlock: infoOf(Qrwlock).fields.flatMap(({ name }) => [name, ...Array<string>(15).fill('')]),
};

const known = new WeakMap<object, (string | undefined)[]>();

function wordNamesOf(layout: object): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const { name, offset, field } of membersOf(layout)) {
    const inner = field.count > 1 ? INNER[field.to ?? ''] : undefined;
    for (let word = 0; word < field.count; word += 1) {
      const own = inner?.[word] ? `${name}.${inner[word]}` : field.count > 1 ? `${name}[${word}]` : name;
      const at = offset / 4 + word;
      const other = names[at];
      // `lru_next` says what `lru.next` says.
      if (other === undefined || other.replace('.', '_') !== own)
        names[at] = other === undefined ? own : `${other}|${own}`;
    }
  }
  known.set(layout, names);
  return names;
}

/** The name of the word at an offset of a struct; undefined for padding. */
export function wordOf(layout: object, offset: number): string | undefined {
  return (known.get(layout) ?? wordNamesOf(layout))[Math.floor(offset / 4)];
}

/** CPUs that a world is planned for. */
export const cpusOf = (world: World): number => (world.swapMap - world.perCpu) / world.perCpuStride;

/** A word of a struct that there is one of. */
const inStruct = (label: string, layout: object, offset: number): string | undefined => {
  if (offset < 0 || offset >= sizeOf(layout)) return undefined;
  const word = wordOf(layout, offset);
  return word === undefined ? `${label}+${offset}` : label === '' ? word : `${label}.${word}`;
};

function ofRcu(offset: number, cpus: number): string | undefined {
  if (offset < rcuCpu(0)) return inStruct('rcu', Rcu, offset);
  const stride = rcuCpu(1) - rcuCpu(0);
  const cpu = Math.floor((offset - rcuCpu(0)) / stride);
  return cpu < cpus ? inStruct(`rcu_cpu[${cpu}]`, RcuCpu, offset - rcuCpu(cpu)) : undefined;
}

function ofSrcu(offset: number): string {
  const first = srcuCount(0, 0);
  if (offset < first) return inStruct('srcu', Srcu, offset) ?? `srcu+${offset}`;
  const stride = srcuCount(1, 0) - first;
  const cpu = Math.floor((offset - first) / stride);
  return `srcu_cpu[${cpu}].counts[${((offset - first) % stride) / 4}]`;
}

function ofCpu(offset: number, stride: number): string | undefined {
  const label = `mm_cpu[${Math.floor(offset / stride)}]`;
  const inside = offset % stride;
  const entry = Math.floor((inside - MmCpu.tlb) / sizeOf(TlbEntry));
  if (entry >= 0 && entry < TLB_ENTRIES)
    return inStruct(`${label}.tlb[${entry}]`, TlbEntry, (inside - MmCpu.tlb) % sizeOf(TlbEntry));
  return inStruct(label, MmCpu, inside);
}

/** A word of a frame's content, or of a place on a disk. */
function ofFrame(label: string, offset: number): string {
  const payload = wordOf(Payload, offset);
  const entry = `${label}.${wordOf(PageTable, offset)}`;
  return payload === undefined ? entry : `${entry}|${payload}`;
}

function ofSlab(at: Addr, spec: SlabSpec, cpus: number, addr: Addr): string | undefined {
  const layouts = Array.isArray(spec.layout) ? (spec.layout as object[]) : [spec.layout as object];
  const label = layouts.map(nameOf).join('/');
  const { first, stride, objects } = slabPlaces(at, spec, cpus);
  const index = Math.floor((addr - first) / stride);
  if (index < 0 || index >= objects) return `${label}.slab+${addr - at}`;
  const offset = (addr - first) % stride;
  const header = stride - SLAB_HEADER_BYTES;
  if (offset >= header) return `${label}#${index}.slab_header.${wordOf(SlabHeader, offset - header)}`;
  const words = layouts.map((layout) => wordOf(layout, offset)).filter((word) => word !== undefined);
  return `${label}#${index}${words.length === 0 ? `+${offset}` : `.${[...new Set(words)].join('|')}`}`;
}

/**
 * Names a word of a model.
 * @param world where its parts lie
 * @param slabs what its slabs are made of, if not the usual
 * @returns undefined for an address outside of it
 */
export function nameOfWord(
  world: World,
  spec: MmSpec,
  addr: Addr,
  slabs: SlabSpecs = slabSpecs(spec),
): string | undefined {
  if (addr < world.zone || addr >= world.end) return undefined;
  const cpus = cpusOf(world);
  const driver = (Object.entries(world.driverSlabs) as [DriverSlabName, Addr][]).findLast(
    ([, at]) => addr >= at,
  );
  if (driver) return ofSlab(driver[1], driverSlabSpecs(spec)[driver[0]]!, cpus, addr);
  if (addr >= world.srcu) return ofSrcu(addr - world.srcu);
  const slab = (Object.entries(world.slabs) as [keyof SlabSpecs, Addr][]).findLast(([, at]) => addr >= at);
  if (slab) return ofSlab(slab[1], slabs[slab[0]], cpus, addr);
  const since = (start: Addr): number => addr - start;
  const word = (start: Addr): number => Math.floor(since(start) / 4);
  const frame = (start: Addr): number => Math.floor(since(start) / FRAME_BYTES);
  if (addr >= world.drivers) return `driver_data[${word(world.drivers)}]`;
  if (addr >= world.fileDisk) {
    const place = frame(world.fileDisk);
    const file = Math.floor(place / spec.filePages);
    return ofFrame(`file_disk[${file}][${place % spec.filePages}]`, since(world.fileDisk) % FRAME_BYTES);
  }
  if (addr >= world.swapDisk)
    return ofFrame(`swap_disk[${frame(world.swapDisk)}]`, since(world.swapDisk) % FRAME_BYTES);
  if (addr >= world.frames)
    return ofFrame(`page_table[${frame(world.frames)}]`, since(world.frames) % FRAME_BYTES);
  if (addr >= world.memMap) {
    const pfn = Math.floor(since(world.memMap) / PAGE_STRUCT_BYTES);
    const offset = since(world.memMap) % PAGE_STRUCT_BYTES;
    return inStruct(`page[${pfn}]`, Page, offset) ?? `page[${pfn}]+${offset}`;
  }
  if (addr >= world.pageTrees) {
    const place = word(world.pageTrees);
    return `address_space#${Math.floor(place / spec.filePages)}.page_tree[${place % spec.filePages}]`;
  }
  if (addr >= world.swapCache) return `swap_cache[${word(world.swapCache)}]`;
  if (addr >= world.swapMap) return `swap_map[${word(world.swapMap)}]`;
  if (addr >= world.perCpu) return ofCpu(since(world.perCpu), world.perCpuStride);
  if (addr >= world.pageWaits) return `page_waits+${since(world.pageWaits)}`;
  if (addr >= world.rcu) return ofRcu(since(world.rcu), cpus);
  if (addr >= world.globals) return inStruct('', Globals, since(world.globals));
  if (addr >= world.swap) return inStruct('swap_info_struct', SwapInfo, since(world.swap));
  return inStruct('zone', Zone, since(world.zone));
}

/**
 * The `names` of a scenario whose state is a model: `defineScenario({ names: mmNames(spec), … })`.
 * @param spec sizes, as the model is made with
 * @param replaced slabs that are made differently
 */
export function mmNames(
  spec?: Partial<MmSpec>,
  replaced?: Partial<SlabSpecs>,
): (addr: Addr, state: Addr, cpus: number) => string | undefined {
  const sizes = mmSpec(spec);
  const slabs = slabSpecs(sizes, replaced);
  // Evidence names thousands of words of one model: the plan is made once for each.
  const worlds = new Map<string, World>();
  return (addr, state, cpus) => {
    const key = `${state} ${cpus}`;
    const world = worlds.get(key) ?? planWorld(sizes, cpus, state, slabs);
    worlds.set(key, world);
    return nameOfWord(world, sizes, addr, slabs);
  };
}
