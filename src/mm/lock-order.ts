/**
 * In which order locks are taken, era by era: the comments at the heads of mm/filemap.c and mm/rmap.c of their time, and what the threads add to them (docs/field-locks.md).
 *
 * An era is a set of chains, outer to inner; what follows from several chains together counts, too. A lock that is only tried may be taken against the order: `tried` says where that is done and why. What the
 * chains say nothing about has no order.
 *
 * Locks are called as in their era. The same word of the model had several names (i_shared_sem, i_mmap_lock, i_mmap_mutex), and of some locks the model has one where the kernel had two: `WORDS`.
 *
 * O-ORDER: a lock is acquired, not tried for, while one is held that comes inside of it. `ordered` puts it around a kernel's locks; `declaredOrder` tells it to the lock-order detector of a hunt, which sees it
 * in the events of locks, so that executions are the same with it and without. A scenario over the model has the order of its regime's era.
 */
import type { Addr } from '../arch/index.ts';
import type { MutexOps } from '../locking/kinds.ts';
import type { Cpu } from '../memory/index.ts';
import type { DeclaredOrder } from '../scenario.ts';
import type { MmLocks } from './kernel.ts';
import { nameOfWord } from './names.ts';
import { MmViolation } from './oracles/violation.ts';
import type { MmSpec } from './spec.ts';
import type { World } from './world.ts';

/** A lock that is taken against the order, and so only tried for. */
export interface Tried {
  readonly held: string;
  readonly wants: string;
  readonly why: string;
}

/** The locks of an era. */
export interface Era {
  readonly name: string;
  /** When, and whose. */
  readonly of: string;
  /** Outer to inner. */
  readonly chains: readonly (readonly string[])[];
  readonly tried: readonly Tried[];
  /** What is no order between two locks. */
  readonly notes: readonly string[];
}

const SWAPOUT: Tried = {
  held: 'PG_locked',
  wants: 'page_table_lock',
  why: 'reclaim comes from the page, with its rmap lock, to entries; faults come the other way (R0.5)',
};

/** The eras. */
export const ERAS: readonly Era[] = [
  {
    name: '2.4',
    of: 'Linux 2.4 with Rik van Riel’s reverse mapping, and 2.5',
    chains: [
      ['pagemap_lru_lock', 'PG_locked', 'page_table_lock', 'PG_chainlock'],
      ['mmap_sem', 'page_table_lock'],
    ],
    tried: [{ held: 'PG_chainlock', wants: 'page_table_lock', why: 'swapout runs the other way (R0.5)' }],
    notes: ['pagemap_lru_lock was outermost in the earlier patches only.'],
  },
  {
    name: '2.6.5',
    of: 'Linux 2.6.0 to 2.6.6 (mm/filemap.c, mm/rmap.c)',
    chains: [
      ['i_sem', 'i_shared_sem'],
      ['mmap_sem', 'i_shared_sem', 'private_lock', 'swap_list_lock', 'swap_device_lock', 'tree_lock'],
      ['mmap_sem', 'PG_locked', 'page_table_lock', 'PG_maplock'],
      ['i_shared_sem', 'anon_vma_lock', 'page_table_lock'],
      ['page_table_lock', 'swap_device_lock'],
      ['page_table_lock', 'private_lock'],
      ['page_table_lock', 'tree_lock'],
      ['page_table_lock', 'lru_lock'],
      ['anonmm_lock', 'page_table_lock'],
      ['lru_lock', 'zone_lock'],
      ['page_table_lock', 'zone_lock'],
    ],
    tried: [
      SWAPOUT,
      {
        held: 'PG_locked',
        wants: 'i_shared_sem',
        why: 'reclaim of a file’s page; truncation holds i_shared_sem and waits for pages',
      },
      {
        held: 'PG_locked',
        wants: 'mmap_sem',
        why: 'swapoff, from 2.6.12: faults hold mmap_sem and wait for pages (R0.6)',
      },
    ],
    notes: [
      'msync takes i_sem under mmap_sem, a write that faults takes mmap_sem for reading under i_sem: so neither with mmap_sem held for writing.',
      'Changes of vmas take page_table_lock inside i_shared_sem (L), or anon_vma_lock inside it (A4).',
      'The anon locks are those of the trees of March 2004; in 2.6.5 itself there are none.',
    ],
  },
  {
    name: '2.6.7',
    of: 'Linux 2.6.7 to 2.6.14',
    chains: [
      ['i_sem', 'i_alloc_sem'],
      ['mmap_sem', 'PG_locked', 'i_mmap_lock', 'anon_vma->lock', 'page_table_lock'],
      ['page_table_lock', 'lru_lock'],
      ['page_table_lock', 'swap_list_lock'],
      ['swap_list_lock', 'mmlist_lock'],
      ['swap_list_lock', 'swap_device_lock'],
      ['swap_list_lock', 'private_lock'],
      ['swap_list_lock', 'inode_lock'],
      ['inode_lock', 'sb_lock'],
      ['inode_lock', 'tree_lock'],
    ],
    tried: [SWAPOUT],
    notes: [
      'Truncation takes i_sem outermost; i_sem and mmap_sem for writing never meet.',
      'truncate_count and vm_truncate_count are inside i_mmap_lock.',
    ],
  },
  {
    name: '2.6.15',
    of: 'Linux 2.6.15 to 2.6.38: an entry’s lock is its pte page’s',
    chains: [
      ['i_mutex', 'i_alloc_sem'],
      ['mmap_sem', 'PG_locked', 'i_mmap_lock', 'anon_vma->lock', 'page_table_lock', 'pte lock'],
      ['pte lock', 'lru_lock'],
      ['pte lock', 'swap_lock', 'mmlist_lock'],
      ['swap_lock', 'private_lock'],
      ['swap_lock', 'inode_lock', 'sb_lock'],
      ['inode_lock', 'tree_lock'],
    ],
    tried: [{ ...SWAPOUT, wants: 'pte lock' }],
    notes: [
      'page_table_lock is left for upper tables and for vma.anon_vma; one swap_lock takes the place of two.',
    ],
  },
  {
    name: '2.6.39',
    of: 'Linux 2.6.39 to 4.x: i_mmap and anon_vma locks sleep (Peter Zijlstra)',
    chains: [
      ['i_mutex', 'mmap_sem', 'PG_locked', 'i_mmap_mutex', 'anon_vma->root->mutex', 'pte lock'],
      ['pte lock', 'lru_lock'],
      ['pte lock', 'swap_lock'],
      ['swap_lock', 'mmlist_lock'],
      ['swap_lock', 'private_lock'],
      ['swap_lock', 'tree_lock'],
    ],
    tried: [{ ...SWAPOUT, wants: 'pte lock' }],
    notes: [
      'Of the anon_vma locks of a family only the root’s is taken.',
      'Neither i_mmap_mutex nor the root’s mutex is taken under RCU or a spinlock: both sleep.',
    ],
  },
  {
    name: 'SPF',
    of: 'speculative page faults, v6 to v11 (Laurent Dufour, 2018)',
    chains: [
      ['mmap_sem', 'mm_rb_lock'],
      ['mmap_sem', 'i_mmap_rwsem', 'anon_vma->root->rwsem', 'pte lock'],
    ],
    tried: [
      {
        held: 'interrupts off',
        wants: 'pte lock',
        why: 'its holder may wait for this CPU to acknowledge a shootdown (R3.7)',
      },
    ],
    notes: [
      'A speculator holds mm_rb_lock alone, and nothing from there to the pte lock.',
      'vm_sequence nests anywhere: nobody waits for it.',
      'A TLB shootdown may be made under the pte lock; it needs interrupts on everywhere else.',
    ],
  },
  {
    name: '4.8',
    of: 'migration of pages that are on no LRU (Minchan Kim, Linux 4.8)',
    chains: [
      ['PG_locked', 'zspage lock', 'class->lock'],
      ['object pin', 'zspage lock'],
      ['PG_locked', 'pages_lock'],
      ['PG_locked', 'anon_vma->root->rwsem'],
    ],
    tried: [
      { held: 'PG_locked', wants: 'PG_locked', why: 'the new page’s, with the old one’s held' },
      { held: 'pages_lock', wants: 'PG_locked', why: 'the balloon takes pages off its list' },
      {
        held: 'zspage lock',
        wants: 'object pin',
        why: 'migration; a user holds the pin and waits for the zspage (R4.11)',
      },
      {
        held: 'class->lock',
        wants: 'PG_locked',
        why: 'who frees the last object frees the pages, too; who isolates one has it locked and waits for the class',
      },
    ],
    notes: ['lru_lock is dropped before a page is isolated by its driver (R4.13).'],
  },
  {
    name: '5.18',
    of: 'mlock_count on the imaginary list (Hugh Dickins, 2022)',
    chains: [['PG_locked', 'lru_lock']],
    tried: [],
    notes: ['mlock_count is worth something under lru_lock with PG_lru only.'],
  },
];

/** What a name of an era is in the model; a name that is not here the model has no lock for, or it is its own. */
const WORDS: Readonly<Record<string, string>> = {
  pagemap_lru_lock: 'lru_lock',
  i_shared_sem: 'i_mmap_lock',
  i_mmap_mutex: 'i_mmap_lock',
  i_mmap_rwsem: 'i_mmap_lock',
  i_mutex: 'i_sem',
  swap_list_lock: 'swap_lock',
  swap_device_lock: 'swap_lock',
  anon_vma_lock: 'anon_vma.lock',
  'anon_vma->lock': 'anon_vma.lock',
  'anon_vma->root->mutex': 'anon_vma.lock',
  'anon_vma->root->rwsem': 'anon_vma.lock',
  anonmm_lock: 'anonmm.lock',
  'pte lock': 'page_table_lock',
  'zspage lock': 'zspage.lock',
  'class->lock': 'size_class.lock',
  // A bit of the word that says where the object is.
  'object pin': 'obj',
};

/** The lock of the model that a name of an era means. */
export const wordOf = (name: string): string => WORDS[name] ?? name;

/** The era of a name. @throws RangeError when there is none */
export function eraByName(name: string): Era {
  const found = ERAS.find((each) => each.name === name);
  if (!found)
    throw new RangeError(`there is no era '${name}': there are ${ERAS.map((each) => each.name).join(', ')}`);
  return found;
}

/** For each lock of the model those that an era takes inside of it, by however many steps. */
export function innerLocks({ chains }: Pick<Era, 'chains'>): ReadonlyMap<string, ReadonlySet<string>> {
  const next = new Map<string, Set<string>>();
  for (const chain of chains)
    chain.forEach((name, at) => {
      const to = next.get(wordOf(name)) ?? new Set();
      next.set(wordOf(name), to);
      const inner = chain[at + 1];
      // Two locks of the kernel that are one in the model have no order.
      if (inner !== undefined && wordOf(inner) !== wordOf(name)) to.add(wordOf(inner));
    });
  const all = new Map<string, ReadonlySet<string>>();
  for (const name of next.keys()) {
    const reached = new Set<string>();
    const from = (each: string): void => {
      for (const inner of next.get(each) ?? [])
        if (!reached.has(inner)) {
          reached.add(inner);
          from(inner);
        }
    };
    from(name);
    all.set(name, reached);
  }
  return all;
}

/** What kind of lock a word of the model is, in the words of {@link innerLocks}. */
export function lockKind(world: World, spec: MmSpec, lock: Addr): string | undefined {
  return kindOfName(nameOfWord(world, spec, lock));
}

/** What kind of lock a word of this name is. */
function kindOfName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const [, of = '', field = name] = /^(\w+)(?:[#[]\d+\]?)?\.(.*)$/.exec(name) ?? [];
  if (of === 'page') return field === 'flags' ? 'PG_locked' : undefined;
  for (const lock of ['mmap_sem', 'mm_rb_lock', 'vm_lock'])
    if (field === lock || field.startsWith(`${lock}.`)) return lock;
  if (field === 'lock') return of === 'zone' ? 'zone_lock' : `${of}.lock`;
  return field;
}

/**
 * Whether a lock of one kind is to be taken before one of another.
 * @param inner of an era
 */
function comesBefore(inner: ReturnType<typeof innerLocks>, kind: string, other: string): boolean {
  // Unless both lie outside of each other: then they have no order.
  return kind !== other && inner.get(kind)?.has(other) === true && inner.get(other)?.has(kind) !== true;
}

/** Trees whose locks are those of another era than 2.6.5: their anon_vma is that of the kernel that took it in. */
const LATER: Readonly<Record<string, string>> = { AM: '2.6.7', 'vma-ptl': '2.6.7', 'vma-ptl-naive': '2.6.7' };

/**
 * The era of a regime, by its name. All of them are trees of the time of 2.6.5, and who asks what became of them finds it in 2.6.7. That of 2.4, too: what the regime says is who protects vmas, and
 * reclaim and the LRU are those of 2.6.
 */
export const eraOf = ({ name }: { readonly name: string }): string => LATER[name] ?? '2.6.5';

/**
 * The order of an era, for the detector of lock orders: `defineScenario({ lockOrder: declaredOrder(era, names), … })`.
 * @param era by its name
 * @param names names words of the scenario's state
 * @throws RangeError when there is no such era
 */
export function declaredOrder(
  era: string,
  names: (addr: Addr, state: Addr, cpus: number) => string | undefined,
): DeclaredOrder {
  const inner = innerLocks(eraByName(era));
  return {
    name: era,
    kindOf: (lock, state, cpus) => kindOfName(names(lock, state, cpus)),
    before: (kind, other) => comesBefore(inner, kind, other),
  };
}

/**
 * A kernel's locks with O-ORDER around them: `createKernel({ …, locks: ordered(locks, …) })`.
 * @param locks as `createBase` makes them: `held` of the CPU has to know of them
 * @param era by its name
 */
export function ordered(
  locks: MmLocks,
  { cpu, world, spec }: { readonly cpu: Cpu; readonly world: World; readonly spec: MmSpec },
  era: string,
): MmLocks {
  const inner = innerLocks(eraByName(era));

  function look(lock: Addr): void {
    const kind = lockKind(world, spec, lock);
    if (kind === undefined || !inner.has(kind)) return;
    for (const { lock: other } of cpu.tracking.held()) {
      const holds = lockKind(world, spec, other);
      if (holds === undefined || !comesBefore(inner, kind, holds)) continue;
      const [one, two] = [lock, other].map((each) => nameOfWord(world, spec, each));
      throw new MmViolation(
        'O-ORDER',
        `CPU ${cpu.id} acquires ${one} with ${two} held: ${kind} comes before ${holds} (${era})`,
      );
    }
  }

  const mutex = (ops: Required<MutexOps>): Required<MutexOps> => ({
    ...ops,
    acquire(lock) {
      look(lock);
      ops.acquire(lock);
    },
  });
  const { rwsem } = locks;
  return {
    ...locks,
    spin: mutex(locks.spin),
    anon: mutex(locks.anon),
    iMmap: mutex(locks.iMmap),
    mutex: mutex(locks.mutex),
    page: mutex(locks.page),
    rwsem: {
      ...rwsem,
      acquireRead(lock) {
        look(lock);
        rwsem.acquireRead(lock);
      },
      acquireWrite(lock) {
        look(lock);
        rwsem.acquireWrite(lock);
      },
    },
  };
}
