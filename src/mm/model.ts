/**
 * A model in memory: placed, set up, and used by CPUs.
 *
 * One thread sets it up before any CPU uses it; then each CPU makes its kernel from where it lies and from the same sizes, and they share nothing else.
 */
import type { Addr } from '../arch/index.ts';
import { initSlab, type Machine, type SlabSpec } from '../memory/index.ts';
import { rcu, srcu } from '../rcu/index.ts';
import { constructAnonVma } from './anon-vma.ts';
import { createKernel, type KernelEnv } from './create.ts';
import { type DriverSlabName, driverSlabSpecs } from './drivers/slabs.ts';
import type { Kernel } from './kernel.ts';
import { type MmSpec, mmSpec } from './spec.ts';
import { Globals, PG } from './structs.ts';
import { planWorld, type SlabSpecs, slabSpecs } from './world.ts';

/** Bytes that a model takes, at any multiple of 64. */
export function modelBytes(spec: Partial<MmSpec>, cpus: number, slabs: Partial<SlabSpecs> = {}): number {
  const whole = mmSpec(spec);
  // What alignment costs depends on the place: 4 KiB in all cover it.
  return planWorld(whole, cpus, 0, slabSpecs(whole, slabs)).end + 4096;
}

/**
 * Sets a model up in zeroed memory; the kernel is of whichever thread does.
 * @param cpus CPUs that will use it; those of the machine unless given
 */
export function initModel(k: Kernel, slabs: Partial<SlabSpecs> = {}, cpus = k.cpu.count): void {
  const { isa, spec, world, lists, pages } = k;
  for (const [name, each] of Object.entries(slabSpecs(spec, slabs)))
    initSlab(isa, world.slabs[name as keyof SlabSpecs], each, {
      cpus,
      // Once for ever: a type-stable object keeps its lock from one owner to the next.
      ...(name === 'anonVmas' ? { construct: constructAnonVma } : {}),
    });
  const drivers = Object.entries(driverSlabSpecs(spec)) as [DriverSlabName, SlabSpec][];
  for (const [name, each] of drivers) initSlab(isa, world.driverSlabs[name]!, each, { cpus });
  rcu.init(isa, world.rcu, cpus, 0);
  srcu.init(isa, world.srcu, cpus, 0);
  lists.init(world.globals + Globals.init_mmlist);
  // Frame 0 is the zero page: read by all, written by nobody, never freed.
  pages.set(pages.pageAt(0), PG.reserved.mask);
  k.pageAlloc.init();
  k.lru.init();
  k.swap.init();
}

/** Where a model lies; survives structured clone. */
export interface PlacedModel {
  readonly at: Addr;
  readonly cpus: number;
  readonly spec: MmSpec;
}

/**
 * Takes memory for a model and sets it up.
 * @throws OutOfMemory when the machine's heap has no room for it; MmSpecError
 */
export function placeModel(machine: Machine, spec: Partial<MmSpec> = {}): PlacedModel {
  const whole = mmSpec(spec);
  const at = machine.alloc(modelBytes(whole, machine.cpus));
  const cpu = machine.attach(0);
  initModel(createKernel({ isa: cpu.isa, cpu, at, spec: whole, cpus: machine.cpus }));
  cpu.leave();
  return { at, cpus: machine.cpus, spec: whole };
}

/** The kernel of a CPU on a placed model. */
export function useModel(
  { isa, cpu }: Pick<KernelEnv, 'isa' | 'cpu'>,
  { at, cpus, spec }: PlacedModel,
  how: Pick<KernelEnv, 'regime' | 'mlock' | 'spf' | 'drivers' | 'modules' | 'locks'> = {},
): Kernel {
  return createKernel({ isa, cpu, at, cpus, spec, ...how });
}
