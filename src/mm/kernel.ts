/**
 * A kernel: the operations of the model on one CPU.
 *
 * It is put together of modules, one factory a file. Each takes the modules before it out of the kernel once; what calls in a circle (faults, reverse mapping,
 * reclaim) goes through the kernel at the time of the call. Whoever tries another design replaces a module: `createKernel(env, { modules: { faults: (kernel,
 * original) => ({ ...original(kernel), handleMmFault }) } })`; the others then call the replacement.
 *
 * Making a kernel reads and writes nothing in shared memory, and it keeps nothing there is to know in JavaScript: all state lies in the {@link World}.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { MutexOps, RcuOps, RwOps } from '../locking/kinds.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { pageLock } from '../locking/page-lock.ts';
import { qrwlock } from '../locking/qrwlock.ts';
import { rwsem } from '../locking/rwsem.ts';
import { tas } from '../locking/tas.ts';
import { track } from '../locking/track.ts';
import { type Cpu, type Lists, lists, type Slab, slabAt } from '../memory/index.ts';
import { rcu, srcu } from '../rcu/index.ts';
import type { AnonVmas } from './anon-vma.ts';
import type { Collapse } from './collapse.ts';
import type { Compaction } from './compaction.ts';
import { type DriverSlabName, driverSlabSpecs } from './drivers/slabs.ts';
import type { Faults } from './fault.ts';
import type { Mms } from './fork.ts';
import type { Fremap } from './fremap.ts';
import type { IMmap } from './i-mmap.ts';
import type { Lru } from './lru.ts';
import type { Migrate } from './migrate.ts';
import type { Mlock } from './mlock/design.ts';
import type { MlockPages } from './mlock/pages.ts';
import type { Maps } from './mmap.ts';
import type { MmuGather } from './mmu-gather.ts';
import type { Drivers } from './movable/driver.ts';
import type { Movable } from './movable.ts';
import type { Mremap } from './mremap.ts';
import type { PageAlloc } from './page-alloc.ts';
import type { PageCache } from './page-cache.ts';
import type { PageTables } from './page-table.ts';
import type { Pages } from './pages.ts';
import type { RbTree } from './rbtree.ts';
import type { Reclaim } from './reclaim.ts';
import type { Rmap } from './rmap/index.ts';
import type { Sections } from './sections.ts';
import { type MmSpec, mmSpec } from './spec.ts';
import type { Spf } from './spf.ts';
import type { Stack } from './stack.ts';
import type { Swap } from './swap.ts';
import type { Swapoff } from './swapoff.ts';
import type { Tlb } from './tlb.ts';
import type { Truncate } from './truncate.ts';
import type { Unmappable } from './unmappable.ts';
import type { User } from './user.ts';
import type { Vmas } from './vma.ts';
import type { VmaTree } from './vma-tree.ts';
import { planWorld, type SlabSpecs, slabSpecs, type World } from './world.ts';
import type { Zap } from './zap.ts';

/** The classes of locks that the model uses; each call takes the address of one. */
export interface MmLocks {
  /** Spinlocks: page_table_lock, i_mmap_lock of its time, lru_lock, zone, swap, tree, mmlist. */
  readonly spin: Required<MutexOps>;
  /** Sleeping locks with one holder: i_sem. */
  readonly mutex: Required<MutexOps>;
  /** anon_vma->lock, anonmm->lock: spinlocks in 2004, mutexes from Linux 3.0. */
  readonly anon: Required<MutexOps>;
  /** i_shared_sem, i_mmap_lock, i_mmap_mutex: likewise. */
  readonly iMmap: Required<MutexOps>;
  /** mmap_sem. */
  readonly rwsem: Required<Omit<RwOps, 'tryUpgrade'>>;
  /** mm_rb_lock (2018). */
  readonly rwlock: Pick<RwOps, 'acquireRead' | 'releaseRead' | 'acquireWrite' | 'releaseWrite'>;
  /** PG_locked of a page's flags. */
  readonly page: Required<MutexOps>;
  readonly rcu: Required<
    Pick<RcuOps, 'readLock' | 'readUnlock' | 'synchronize' | 'callRcu' | 'onCallback' | 'poll' | 'barrier'>
  >;
  /** RCU whose sections may sleep: of speculative page faults (2017). */
  readonly srcu: Pick<RcuOps, 'readLock' | 'readUnlock' | 'synchronize'>;
}

/** What every module has to work with. */
export interface Base {
  readonly isa: Isa;
  readonly cpu: Cpu;
  readonly spec: MmSpec;
  readonly world: World;
  readonly locks: MmLocks;
  readonly lists: Lists;
  readonly slabs: Readonly<Record<keyof SlabSpecs, Slab>>;
  /** Of drivers of movable pages; those that a model has. */
  readonly driverSlabs: Readonly<Partial<Record<DriverSlabName, Slab>>>;
}

/** Which model, and where. */
export interface BaseEnv {
  readonly isa: Isa;
  readonly cpu: Cpu;
  /** Where the model lies; a multiple of 64. */
  readonly at: Addr;
  /** CPUs that use it; those of the machine unless given. */
  readonly cpus?: number;
  readonly spec?: Partial<MmSpec>;
  /** Locks of other classes. */
  readonly locks?: Partial<MmLocks>;
  /** Slabs that are made differently. */
  readonly slabs?: Partial<SlabSpecs>;
}

/** All modules of a kernel, in the order in which they are made; see the head of each file. */
export interface Modules {
  readonly spf: Spf;
  readonly sections: Sections;
  readonly pages: Pages;
  readonly pageAlloc: PageAlloc;
  readonly lru: Lru;
  readonly mlock: Mlock;
  readonly mlockPages: MlockPages;
  readonly tlb: Tlb;
  readonly pgtable: PageTables;
  readonly gather: MmuGather;
  readonly rbtree: RbTree;
  readonly vmaTree: VmaTree;
  readonly iMmap: IMmap;
  readonly anonVma: AnonVmas;
  readonly swap: Swap;
  readonly pageCache: PageCache;
  readonly unmappable: Unmappable;
  readonly rmap: Rmap;
  readonly zap: Zap;
  readonly vmas: Vmas;
  readonly stack: Stack;
  readonly maps: Maps;
  readonly mremap: Mremap;
  readonly fremap: Fremap;
  readonly collapse: Collapse;
  readonly truncate: Truncate;
  readonly mms: Mms;
  readonly faults: Faults;
  readonly user: User;
  readonly reclaim: Reclaim;
  readonly swapoff: Swapoff;
  readonly drivers: Drivers;
  readonly movable: Movable;
  readonly migrate: Migrate;
  readonly compaction: Compaction;
}

/** The model on one CPU. */
export interface Kernel extends Base, Modules {}

function defaultLocks(isa: Isa, cpu: Cpu, world: World): MmLocks {
  const areaOf = (other: number): Addr => world.pageWaits + other * world.pageWaitsStride;
  const spin = track('mutex', cpu, tas.create(isa, cpu)) as MmLocks['spin'];
  return {
    spin,
    anon: spin,
    iMmap: spin,
    mutex: track('mutex', cpu, mutex3.create(isa, cpu)) as MmLocks['mutex'],
    rwsem: track('rwsem', cpu, rwsem.create(isa, cpu)) as MmLocks['rwsem'],
    page: track('mutex', cpu, pageLock.create(isa, cpu, { area: areaOf(cpu.id), areaOf })) as MmLocks['page'],
    rcu: track('rcu', cpu, rcu.create(isa, cpu)) as MmLocks['rcu'],
    rwlock: track('rwlock', cpu, qrwlock.create(isa, cpu)),
    srcu: track('rcu', cpu, srcu.create(isa, cpu)),
  };
}

/** What modules build on: addresses, locks and slabs. */
export function createBase({
  isa,
  cpu,
  at,
  cpus = cpu.count,
  spec: given,
  locks,
  slabs: replaced,
}: BaseEnv): Base {
  const spec = mmSpec(given);
  const specs = slabSpecs(spec, replaced);
  const world = planWorld(spec, cpus, at, specs);
  const made = Object.fromEntries(
    Object.entries(specs).map(([name, each]) => [
      name,
      slabAt({ isa, cpu }, world.slabs[name as keyof SlabSpecs], each, cpus),
    ]),
  ) as Base['slabs'];
  return {
    isa,
    cpu,
    spec,
    world,
    locks: { ...defaultLocks(isa, cpu, world), ...locks },
    lists: lists({ isa }),
    slabs: made,
    driverSlabs: Object.fromEntries(
      Object.entries(driverSlabSpecs(spec)).map(([name, each]) => [
        name,
        slabAt({ isa, cpu }, world.driverSlabs[name as DriverSlabName]!, each, cpus),
      ]),
    ),
  };
}
