/**
 * A kernel is put together, and a model is set up.
 *
 * The order of the factories is that of the dependencies which are taken out once; a module that calls one behind it in the list does so by way of the kernel (`k.lru.release`).
 */

import { anonVma } from './anon-vma.ts';
import { collapse } from './collapse.ts';
import { compaction } from './compaction.ts';
import { faults } from './fault.ts';
import { mms } from './fork.ts';
import { fremap } from './fremap.ts';
import { iMmap } from './i-mmap.ts';
import { type BaseEnv, createBase, type Kernel, type Modules } from './kernel.ts';
import { lru } from './lru.ts';
import { migrate } from './migrate.ts';
import { MLOCK_DESIGNS, type MlockName } from './mlock/index.ts';
import { lruCount } from './mlock/lru-count.ts';
import { mlockPages } from './mlock/pages.ts';
import { maps } from './mmap.ts';
import { mmuGather } from './mmu-gather.ts';
import { type DriverType, drivers } from './movable/driver.ts';
import { movable } from './movable.ts';
import { mremap } from './mremap.ts';
import { pageAlloc } from './page-alloc.ts';
import { pageCache } from './page-cache.ts';
import { pageTables } from './page-table.ts';
import { pages } from './pages.ts';
import { rbtree } from './rbtree.ts';
import { reclaim } from './reclaim.ts';
import { type Regime, regimeByName } from './regime.ts';
import { rmap } from './rmap/index.ts';
import { sections } from './sections.ts';
import { SPF_DESIGNS, type SpfName, type SpfRules } from './spf/rules.ts';
import { MARKED } from './spf/writers.ts';
import { spf } from './spf.ts';
import { stack } from './stack.ts';
import { swap } from './swap.ts';
import { swapoff } from './swapoff.ts';
import { tlb } from './tlb.ts';
import { truncate } from './truncate.ts';
import { unmappable } from './unmappable.ts';
import { user } from './user.ts';
import { spinlockRecheckedForm } from './variants/page-lock-anon-vma/spinlock-under-rcu.ts';
import { vmas } from './vma.ts';
import { vmaTree } from './vma-tree.ts';
import { zap } from './zap.ts';

/** Makes a module for a kernel that has those before it. */
export type Factory<Name extends keyof Modules> = (k: Kernel) => Modules[Name];

/** Makes a module in place of another. @param original makes the one that it replaces */
export type Replacement<Name extends keyof Modules> = (k: Kernel, original: Factory<Name>) => Modules[Name];

/** Which kernel. */
export interface KernelEnv extends BaseEnv {
  /** Who takes which lock; `L`, Linus's tree of March 2004, unless given. */
  readonly regime?: Regime;
  /** The design for mlocked pages, by its name; `lru-count` unless given. */
  readonly mlock?: MlockName;
  /** The design of speculative page faults, by its name, or as rules; `off` unless given. */
  readonly spf?: SpfName | SpfRules;
  /** Drivers whose pages may be moved; those of DRIVERS unless given. */
  readonly drivers?: readonly DriverType[];
  /** Modules that are made differently: a design of one's own, or a variant. */
  readonly modules?: { readonly [Name in keyof Modules]?: Replacement<Name> };
}

const FACTORIES: { readonly [Name in keyof Modules]: Factory<Name> } = {
  spf: (k) => spf(k),
  sections: () => {
    throw new Error('made from the regime');
  },
  pages,
  pageAlloc,
  lru,
  mlock: lruCount,
  mlockPages,
  pgtable: pageTables,
  tlb,
  gather: mmuGather,
  rbtree,
  vmaTree,
  iMmap,
  anonVma: (k) => anonVma(k, spinlockRecheckedForm),
  swap,
  pageCache,
  unmappable,
  rmap,
  zap,
  vmas,
  stack,
  maps,
  mremap,
  fremap,
  collapse,
  truncate: (k) => truncate(k),
  mms,
  faults: (k) => faults(k),
  user,
  reclaim,
  swapoff,
  drivers: (k) => drivers(k),
  movable: (k) => movable(k),
  migrate: (k) => migrate(k),
  compaction: (k) => compaction(k),
};

/** Names a module that there is none of. */
export class MmModuleError extends TypeError {
  readonly code = 'EMMMODULE';
  constructor(name: string) {
    super(`the model has no module '${name}': it has ${Object.keys(FACTORIES).join(', ')}`);
    this.name = 'MmModuleError';
  }
}

/** Names a design for mlocked pages that there is none of. */
export class MmMlockError extends RangeError {
  readonly code = 'EMMMLOCK';
  constructor(name: string) {
    super(`there is no mlock design '${name}': there are ${Object.keys(MLOCK_DESIGNS).join(', ')}`);
    this.name = 'MmMlockError';
  }
}

/** Names a design of speculative page faults that there is none of. */
export class MmSpfError extends RangeError {
  readonly code = 'EMMSPF';
  constructor(name: string) {
    super(
      `there is no design of speculative page faults '${name}': there are ${Object.keys(SPF_DESIGNS).join(', ')}`,
    );
    this.name = 'MmSpfError';
  }
}

function spfRules(design: SpfName | SpfRules): SpfRules {
  if (typeof design !== 'string') return design;
  if (!Object.hasOwn(SPF_DESIGNS, design)) throw new MmSpfError(design);
  return SPF_DESIGNS[design];
}

/**
 * The operations of the model on one CPU. No shared memory is accessed.
 * @throws MmModuleError, MmMlockError, MmSpfError, MmSpecError
 */
export function createKernel({
  regime = regimeByName('L')!,
  mlock = 'lru-count',
  spf: design = 'off',
  drivers: types,
  modules = {},
  ...env
}: KernelEnv): Kernel {
  if (!(mlock in MLOCK_DESIGNS)) throw new MmMlockError(mlock);
  for (const name of Object.keys(modules)) if (!(name in FACTORIES)) throw new MmModuleError(name);
  const rules = spfRules(design);
  const k = { ...createBase(env) } as { -readonly [Key in keyof Kernel]: Kernel[Key] };
  const make = <Name extends keyof Modules>(name: Name): void => {
    const chosen: Partial<typeof FACTORIES> = {
      spf: (kernel) => spf(kernel, rules),
      sections: (kernel) => sections(kernel, regime),
      mlock: MLOCK_DESIGNS[mlock].make,
      ...(types ? { drivers: (kernel: Kernel) => drivers(kernel, types) } : {}),
    };
    const original = (chosen[name] ?? FACTORIES[name]) as Factory<Name>;
    const replacement = modules[name] as Replacement<Name> | undefined;
    const { marked, around = {} } = k.spf ?? {};
    const seen = marked && MARKED.has(name) ? (Object.create(k, { isa: { value: marked } }) as Kernel) : k;
    const made = (replacement ? replacement(seen, original) : original(seen)) as Modules[Name];
    const wrap = around[name] as ((made: Modules[Name]) => Modules[Name]) | undefined;
    k[name] = (wrap ? wrap(made) : made) as never;
    if (name === 'spf') k.locks = k.spf.locks;
  };
  for (const name of Object.keys(FACTORIES) as (keyof Modules)[]) make(name);
  return k;
}
