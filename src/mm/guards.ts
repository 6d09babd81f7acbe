/**
 * Which lock protects which field, in every regime: guard declarations (memory/guards.ts) for all structs of the model.
 *
 * Importing this declares them. A regime's guards are the discipline that its tree means to follow; where the tree's own paths (regime.ts) do not all follow it, `DISCIPLINES` says which do not. So
 * a guard that is not met there is what the thread "230-objrmap fixes for 2.6.3-mjb2" is about, and in a tree that keeps its discipline it is a mistake.
 *
 *   either      who changes vmas holds mmap_sem for writing and page_table_lock; who reads them holds one of the two      V24, L, M3, HU; J1 and 3-Mar mean to
 *   mmap_sem    vmas are mmap_sem's alone; page_table_lock is for page tables                                             A4, N03, AM, vma-ptl; J2 means to
 *
 * What the form of a guard cannot say is in `NOTES`. Paths begin at the object; `lru_lock`, `zone_lock`, `swap_lock`, `swap_tree_lock` and `mmlist_lock` are of no object (`guardGlobals`), and
 * `page_table_lock` of a page table is that of the address space, or vma, that it belongs to.
 *
 * `docs/field-locks.md` is made from this file and lock-order.ts, and a test keeps it true.
 */
import type { Addr } from '../arch/index.ts';
import {
  afterInit,
  all,
  any,
  atomicAccess,
  type FieldGuards,
  type Guard,
  guards,
  held,
  heldIfAny,
} from '../memory/index.ts';
import {
  AddressSpace,
  AnonMm,
  AnonVma,
  AnonVmaChain,
  Globals,
  Mm,
  MmCpu,
  Page,
  PageTable,
  PteChain,
  SwapInfo,
  Vma,
  Zone,
} from './structs.ts';
import type { World } from './world.ts';

/** How a tree protects its vmas. */
export interface Discipline {
  /** The regime, by its name in regime.ts. */
  readonly regime: string;
  readonly vmas: 'either' | 'mmap_sem';
  readonly anon: 'pte_chain' | 'anon_vma' | 'anonmm';
  /** Whose page_table_lock entries are under. */
  readonly ptl: 'mm' | 'vma';
  /** Which paths of the tree do not follow it; '': all do. */
  readonly against: string;
}

/** The disciplines, in the order of regime.ts. */
export const DISCIPLINES: readonly Discipline[] = [
  { regime: 'V24', vmas: 'either', anon: 'pte_chain', ptl: 'mm', against: '' },
  { regime: 'L', vmas: 'either', anon: 'pte_chain', ptl: 'mm', against: '' },
  { regime: 'M3', vmas: 'either', anon: 'pte_chain', ptl: 'mm', against: '' },
  {
    regime: 'J2',
    vmas: 'mmap_sem',
    anon: 'pte_chain',
    ptl: 'mm',
    against:
      'swapout looks anonymous vmas up under page_table_lock alone (R0.1, R0.2); a stack grows under mmap_sem for reading alone (R0.11)',
  },
  {
    regime: 'J1',
    vmas: 'either',
    anon: 'pte_chain',
    ptl: 'mm',
    against:
      'vma_link, vma_merge and changes of vm_flags leave page_table_lock out (R0.2, R0.3); a stack grows under mmap_sem for reading alone (R0.11)',
  },
  {
    regime: '3-Mar',
    vmas: 'either',
    anon: 'pte_chain',
    ptl: 'mm',
    against:
      'as J1: the patch of 3 March moves detach and unuse_process back under page_table_lock, and nothing else',
  },
  {
    regime: 'A4',
    vmas: 'mmap_sem',
    anon: 'anon_vma',
    ptl: 'mm',
    against:
      'a stack grows under mmap_sem for reading alone (R0.11); split_vma takes page_table_lock, a leftover that does no harm',
  },
  { regime: 'HU', vmas: 'either', anon: 'anonmm', ptl: 'mm', against: '' },
  {
    regime: 'N03',
    vmas: 'mmap_sem',
    anon: 'pte_chain',
    ptl: 'mm',
    against: 'a stack grows under mmap_sem for reading alone (R0.11)',
  },
  { regime: 'AM', vmas: 'mmap_sem', anon: 'anon_vma', ptl: 'mm', against: '' },
  {
    regime: 'vma-ptl',
    vmas: 'mmap_sem',
    anon: 'anon_vma',
    ptl: 'vma',
    against: 'rss is counted under the page_table_lock of whichever vma',
  },
  {
    regime: 'vma-ptl-naive',
    vmas: 'mmap_sem',
    anon: 'anon_vma',
    ptl: 'vma',
    against: 'as vma-ptl; upper levels are populated under the page_table_lock of whichever vma (R0.10)',
  },
];

/** What the form of a guard does not say, by struct. */
export const NOTES: Readonly<Record<string, readonly string[]>> = {
  page: [
    '`flags` has the page lock in it: `flags` as a lock is PG_locked.',
    '`lru` is on a free list under `zone_lock`, on an LRU list under `lru_lock`; of an isolated page it is the isolator’s, and of one in a pageset its CPU’s.',
    '`mapping` and `index` are set before the page can be found: of an anonymous page under the page_table_lock of its first entry, of a file’s under the page lock and `tree_lock`.',
    '`_mapcount` changes with an entry, under the page_table_lock of that.',
    '`private` and `index` of a page that a driver has are the driver’s (src/mm/drivers/structs.ts).',
    '`chain` is protected by PG_maplock, a bit of `flags`, inside page_table_lock.',
  ],
  vm_area_struct: [
    'A vma that is in no list, tree or file yet, or no longer, is its thread’s own.',
    '`vm_flags` is looked at by reclaim without a lock: a change that it misses is made good by who makes it, who faults the pages in again (C0.a).',
    'A stack is a vma with VM_GROWSDOWN; a fault that grows it holds mmap_sem for reading only.',
  ],
  mm_struct: [
    '`mmap_cache` is a hint that readers write: what it holds is looked at before it is believed.',
    'An address space that is being made, or torn down by its last user, is its thread’s own.',
  ],
  pte_chain: ['Protected by PG_maplock of the page whose chain it is.'],
  page_table: [
    'The processor sets ACCESSED and DIRTY in a present entry at any time, by compare-exchange.',
    'An entry of an upper table is set once, under page_table_lock of the address space, and read with acquire.',
  ],
  mm_cpu: [
    'Each CPU’s own; with interrupts off where an interrupt handler has a part in it (`tlb`, `active_mm`, `pcp`).',
  ],
};

const PTL = 'page_table_lock';
const anyLock = atomicAccess();
const fixed = afterInit();
/** Nobody else has it: no lock. */
const own: Guard = all();
const under = (path: string): FieldGuards => ({ read: held(path), write: held(path) });
/** Written under a lock, looked at without: by marked accesses. */
const looked = (path: string): FieldGuards => ({
  read: any(held(path), anyLock),
  write: all(held(path), anyLock),
});
/** Under mmap_sem for writing; or, by threads that hold it for reading, under page_table_lock. */
const shared = (to: string): Guard =>
  any(held(`${to}mmap_sem`), all(held(`${to}mmap_sem`, 'read'), held(`${to}${PTL}`)));

/** Guards of what a tree's vmas are protected by, as seen from a struct from which `to` leads to the mm_struct. */
function vmaGuards({ vmas }: Discipline, to: string): FieldGuards {
  const [sem, ptl] = [`${to}mmap_sem`, `${to}${PTL}`];
  return vmas === 'either'
    ? { read: any(held(sem, 'read'), held(ptl)), write: all(held(sem), held(ptl)) }
    : { read: held(sem, 'read'), write: held(sem) };
}

/** Bounds are read by who comes from the file or the anon_vma, too, so who moves them holds those locks besides. */
function boundGuards(discipline: Discipline, grows: boolean): FieldGuards {
  const base = vmaGuards(discipline, 'vm_mm.');
  const file = 'vm_file.i_mmap_lock';
  const family = 'anon_vma.root.lock';
  const chained = discipline.anon === 'anon_vma';
  const settled = all(base.write, heldIfAny(file), ...(chained ? [heldIfAny(family)] : []));
  const grown = all(
    held('vm_mm.mmap_sem', 'read'),
    ...(chained ? [heldIfAny(family)] : []),
    held(`vm_mm.${PTL}`),
  );
  return {
    read: any(base.read, held(file), ...(chained ? [held(family)] : [])),
    write: grows ? any(settled, grown) : settled,
  };
}

function declareVma(discipline: Discipline): void {
  const { regime, anon, ptl } = discipline;
  const vmas = vmaGuards(discipline, 'vm_mm.');
  const file = under('vm_file.i_mmap_lock');
  const prepared = shared('vm_mm.');
  guards(Vma, {
    regime,
    fields: {
      vm_mm: fixed,
      vm_start: boundGuards(discipline, true),
      vm_end: boundGuards(discipline, false),
      vm_next: vmas,
      vm_prev: vmas,
      vm_rb: vmas,
      vm_flags: { read: any(vmas.read, anyLock), write: vmas.write },
      vm_pgoff: boundGuards(discipline, true),
      vm_file: fixed,
      shared: file,
      shared_last: file,
      nonlinear: file,
      ...(anon === 'anon_vma'
        ? {
            anon_vma: { read: any(prepared, anyLock), write: all(prepared, anyLock) },
            anon_vma_chain: prepared,
          }
        : {}),
      ...(ptl === 'vma' ? { page_table_lock: anyLock } : {}),
      vm_truncate_count: file,
      vm_sequence: anyLock,
      vm_ref_count: anyLock,
      vm_lock: anyLock,
      vm_lock_seq: anyLock,
    },
  });
}

function declareMm(discipline: Discipline): void {
  const { regime } = discipline;
  const vmas = vmaGuards(discipline, '');
  const written: FieldGuards = { read: held('mmap_sem', 'read'), write: held('mmap_sem') };
  guards(Mm, {
    regime,
    fields: {
      mmap: vmas,
      mm_rb: vmas,
      mmap_cache: anyLock,
      map_count: vmas,
      pgd: fixed,
      mm_users: anyLock,
      mm_count: anyLock,
      start_brk: written,
      brk: written,
      start_stack: written,
      total_vm: shared(''),
      locked_vm: written,
      cpu_vm_mask: anyLock,
      ...(discipline.anon === 'anonmm' ? { anonmm: fixed } : {}),
      mmlist: under('mmlist_lock'),
      mmap_sem: anyLock,
      page_table_lock: anyLock,
      rss: under(PTL),
      nr_ptes: anyLock,
      mm_rb_lock: anyLock,
      mm_lock_seq: anyLock,
    },
  });
}

/** What is protected alike in all regimes. */
function declareOthers({ regime, anon }: Discipline): void {
  guards(Page, {
    regime,
    fields: {
      flags: anyLock,
      _refcount: anyLock,
      _mapcount: anyLock,
      mapping: anyLock,
      index: anyLock,
      private: {
        read: any(held('flags'), held('swap_tree_lock')),
        write: all(held('flags'), held('swap_tree_lock')),
      },
      lru: any(held('lru_lock'), held('zone_lock')),
      mlock_count: held('lru_lock'),
      mlocked: any(held('lru_lock'), anyLock),
      debug_generation: anyLock,
    },
  });
  guards(AddressSpace, {
    regime,
    fields: {
      host: fixed,
      i_size: looked('i_sem'),
      nrpages: under('tree_lock'),
      truncate_count: looked('i_mmap_lock'),
      i_sem: anyLock,
      tree_lock: anyLock,
      i_mmap_lock: anyLock,
      i_mmap_waiters: anyLock,
      i_mmap: under('i_mmap_lock'),
      i_mmap_nonlinear: under('i_mmap_lock'),
      unmap_mutex: anyLock,
      a_ops: fixed,
      private_lock: anyLock,
      private_list: under('private_lock'),
    },
  });
  if (anon === 'anon_vma') {
    guards(AnonVma, {
      regime,
      fields: { root: anyLock, lock: anyLock, ref: anyLock, head: under('root.lock') },
    });
    guards(AnonVmaChain, {
      regime,
      fields: {
        vma: fixed,
        anon_vma: fixed,
        same_vma: shared('vma.vm_mm.'),
        same_anon_vma: under('anon_vma.root.lock'),
      },
    });
  }
  if (anon === 'anonmm')
    guards(AnonMm, {
      regime,
      fields: {
        mm: under('head.lock'),
        head: fixed,
        lock: anyLock,
        count: anyLock,
        list: under('head.lock'),
      },
    });
  if (anon === 'pte_chain') guards(PteChain, { regime, fields: {} });
  guards(Zone, {
    regime,
    fields: {
      lock: anyLock,
      free_list: under('lock'),
      free_pages: looked('lock'),
      lru_lock: anyLock,
      active_list: under('lru_lock'),
      inactive_list: under('lru_lock'),
      nr_active: under('lru_lock'),
      nr_inactive: under('lru_lock'),
      nr_unevictable: under('lru_lock'),
      nr_mlock: anyLock,
      nr_isolated: under('lru_lock'),
    },
  });
  guards(SwapInfo, {
    regime,
    fields: {
      swap_lock: anyLock,
      flags: looked('swap_lock'),
      inuse_pages: under('swap_lock'),
      cluster_next: under('swap_lock'),
      tree_lock: anyLock,
      nrpages: under('tree_lock'),
    },
  });
  guards(Globals, { regime, fields: { mmlist_lock: anyLock, init_mmlist: under('mmlist_lock') } });
  guards(PageTable, {
    regime,
    fields: { entry: { read: any(held(PTL), anyLock), write: all(held(PTL), anyLock) } },
  });
  guards(MmCpu, {
    regime,
    fields: { active_mm: own, pcp_count: own, pcp: own, lru_add_count: own, lru_add: own, tlb: own },
  });
}

for (const discipline of DISCIPLINES) {
  declareVma(discipline);
  declareMm(discipline);
  declareOthers(discipline);
}

/** The structs that are declared, in the order of structs.ts. */
export const GUARDED: readonly object[] = [
  Page,
  Vma,
  Mm,
  AddressSpace,
  AnonVma,
  AnonVmaChain,
  AnonMm,
  PteChain,
  Zone,
  SwapInfo,
  Globals,
  MmCpu,
  PageTable,
];

/** Locks that paths begin with and that are of no object: for `pathResolver`. */
export function guardGlobals({ zone, swap, globals }: World): Readonly<Record<string, Addr>> {
  return {
    zone_lock: zone + Zone.lock,
    lru_lock: zone + Zone.lru_lock,
    swap_lock: swap + SwapInfo.swap_lock,
    swap_tree_lock: swap + SwapInfo.tree_lock,
    mmlist_lock: globals + Globals.mmlist_lock,
  };
}
