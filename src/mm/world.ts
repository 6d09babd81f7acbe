/**
 * Where the parts of a model lie: a plan computed from its sizes alone, so that every CPU comes to the same without reading a word.
 *
 *   zone, swap device, globals        a line or more each
 *   RCU, wait queues of page locks    shared by all
 *   per CPU                           MmCpu
 *   swap_map, swap cache              a word a slot
 *   page tree of each file            a word a page
 *   mem_map                           a struct page a frame; number 0 is no frame
 *   frames, disk                      64 bytes each: swap slots, then the files' pages
 *   drivers                           what drivers have for themselves
 *   slabs                             mm_struct, vm_area_struct, anon_vma, anon_vma_chain, anonmm, pte_chain, address_space
 *   SRCU                              shared by all
 *   drivers' slabs                    zs_pool, size_class, zspage, zs_handle, balloon_dev_info, of which there are none unless asked for (drivers/slabs.ts)
 */
import type { Addr } from '../arch/index.ts';
import { pageLock } from '../locking/page-lock.ts';
import { LINE, roundUp, type SlabSpec, sizeOf, slabBytes } from '../memory/index.ts';
import { rcu, srcu } from '../rcu/index.ts';
import { type DriverSlabName, planDriverSlabs } from './drivers/slabs.ts';
import type { MmSpec } from './spec.ts';
import {
  AddressSpace,
  AnonMm,
  AnonVma,
  AnonVmaChain,
  Globals,
  Mm,
  MmCpu,
  PAGE_STRUCT_BYTES,
  PteChain,
  SwapInfo,
  Vma,
  Zone,
} from './structs.ts';

/** Bytes of a frame's content. */
export const FRAME_BYTES = 64;

/** Files, and what stands for one where a driver has pages: whichever come first, each has room for its pages. */
const addressSpaces = ({ files, zsPools, balloons }: MmSpec): number => files + zsPools + balloons;

/** The slabs of a model by the name of what they hold. */
export interface SlabSpecs {
  readonly mms: SlabSpec;
  readonly vmas: SlabSpec;
  readonly anonVmas: SlabSpec;
  readonly chains: SlabSpec;
  readonly anonMms: SlabSpec;
  readonly pteChains: SlabSpec;
  readonly files: SlabSpec;
}

/** What the slabs are made of. A variant may replace one: a slab that is not type-stable, for example. */
export function slabSpecs(spec: MmSpec, replaced: Partial<SlabSpecs> = {}): SlabSpecs {
  return {
    mms: { layout: Mm, objects: spec.mms },
    vmas: { layout: Vma, objects: spec.vmas },
    anonVmas: { layout: AnonVma, objects: spec.anonVmas },
    chains: { layout: AnonVmaChain, objects: spec.chains },
    anonMms: { layout: AnonMm, objects: spec.mms },
    pteChains: { layout: PteChain, objects: spec.pteChains },
    files: { layout: AddressSpace, objects: addressSpaces(spec) },
    ...replaced,
  };
}

/** Byte offsets of the parts from where the model lies; or, once placed, their addresses. */
export interface World {
  readonly zone: Addr;
  readonly swap: Addr;
  readonly globals: Addr;
  readonly rcu: Addr;
  /** Wait queues of page locks, and the bytes from one CPU's to the next. */
  readonly pageWaits: Addr;
  readonly pageWaitsStride: number;
  readonly perCpu: Addr;
  readonly perCpuStride: number;
  readonly swapMap: Addr;
  readonly swapCache: Addr;
  readonly pageTrees: Addr;
  readonly memMap: Addr;
  readonly frames: Addr;
  readonly swapDisk: Addr;
  readonly fileDisk: Addr;
  /** What drivers have for themselves. */
  readonly drivers: Addr;
  readonly slabs: Readonly<Record<keyof SlabSpecs, Addr>>;
  /** Of speculative page faults (2017). */
  readonly srcu: Addr;
  readonly driverSlabs: Readonly<Partial<Record<DriverSlabName, Addr>>>;
  readonly end: Addr;
}

/**
 * Plans a model.
 * @param at where it begins, a multiple of 64
 * @param cpus CPUs that use it
 */
export function planWorld(spec: MmSpec, cpus: number, at: Addr = 0, slabs = slabSpecs(spec)): World {
  let end = at;
  const take = (bytes: number): Addr => {
    const start = end;
    end = roundUp(start + bytes, LINE);
    return start;
  };
  const pageWaitsStride = roundUp(pageLock.perCpu, LINE);
  const perCpuStride = roundUp(sizeOf(MmCpu), LINE);
  const parts = {
    zone: take(sizeOf(Zone)),
    swap: take(sizeOf(SwapInfo)),
    globals: take(sizeOf(Globals)),
    rcu: take(rcu.size(cpus)),
    pageWaits: take(pageWaitsStride * cpus),
    pageWaitsStride,
    perCpu: take(perCpuStride * cpus),
    perCpuStride,
    swapMap: take(4 * spec.swapPages),
    swapCache: take(4 * spec.swapPages),
    pageTrees: take(4 * addressSpaces(spec) * spec.filePages),
    memMap: take(PAGE_STRUCT_BYTES * (spec.frames + 1)),
    frames: take(FRAME_BYTES * (spec.frames + 1)),
    swapDisk: take(FRAME_BYTES * spec.swapPages),
    fileDisk: take(FRAME_BYTES * addressSpaces(spec) * spec.filePages),
    drivers: take(spec.driverBytes),
  };
  const placed = Object.fromEntries(
    Object.entries(slabs).map(([name, each]: [string, SlabSpec]) => [name, take(slabBytes(each, cpus))]),
  ) as World['slabs'];
  const behind = { srcu: take(srcu.size(cpus)) };
  const driverSlabs = Object.freeze(planDriverSlabs(spec, cpus, take));
  return Object.freeze({ ...parts, slabs: Object.freeze(placed), ...behind, driverSlabs, end });
}
