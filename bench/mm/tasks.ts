/**
 * What is measured of one CPU on a model of its own: tasks that do a block of work, and put back what it has changed.
 *
 *   fault       anonymous write faults into a mapping that has no pages; the pages are dropped again
 *   page-lock   page_lock_anon_vma and its counterpart of a page that is mapped, in one form
 *   fork        fork and exit of an address space with anonymous pages and pages of a file, by one design of reverse mapping
 *   scan        reclaim while a share of the pages is mlocked, by one design for these
 *
 * A task's kernel is the only one that its thread has seen: V8 knows all its functions by their one closure, as it would those of a kernel that runs alone.
 */
import type { Addr } from '../../src/arch/index.ts';
import { anonVma } from '../../src/mm/anon-vma.ts';
import { createKernel, type KernelEnv } from '../../src/mm/create.ts';
import { VM_FAULT_ERROR } from '../../src/mm/fault.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { MLOCK_DESIGNS, type MlockName } from '../../src/mm/mlock/index.ts';
import { initModel } from '../../src/mm/model.ts';
import { PAGE_SHIFT, PAGE_SIZE, PTE_ACCESSED, pteNumber } from '../../src/mm/pte.ts';
import { type AnonRmap, type FileRmap, type Regime, regimeByName } from '../../src/mm/regime.ts';
import type { Rmap } from '../../src/mm/rmap/index.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { MAPPING_ANON, Mm, Page, VM } from '../../src/mm/structs.ts';
import { ANON_VMA_FORMS, type AnonVmaFormName } from '../../src/mm/variants/page-lock-anon-vma/forms.ts';
import type { Counts } from './counted.ts';

/** What a task is about. */
export type TaskOf =
  | { readonly task: 'fault' }
  | { readonly task: 'page-lock'; readonly form: AnonVmaFormName }
  | { readonly task: 'fork'; readonly design: RmapName }
  | { readonly task: 'scan'; readonly design: MlockName; readonly shares: readonly number[] };

/** A task. What it measures is by case: one, or several on the same model. */
export interface Task {
  readonly cases: readonly string[];
  /** Prepares a block; not timed. */
  before(each: string): void;
  /** Does a block. @returns how many of what it is about */
  block(each: string): number;
  /** Puts back what the block has changed; not timed. */
  after(each: string): void;
  /** Counts single pieces of work: figures by name. Instead of that, all of a block. */
  count?(counts: () => Counts): Record<string, number>;
}

/** The model of all tasks. */
export const TASK_SPEC: MmSpec = mmSpec({
  frames: 1600,
  mms: 8,
  vmas: 96,
  anonVmas: 64,
  chains: 256,
  pteChains: 2048,
  files: 2,
  filePages: 96,
  swapPages: 1024,
  pcp: 16,
});

const RW = VM.READ | VM.WRITE;
const BASE = 0x400000;
const addressOf = (page: number): number => BASE + (page << PAGE_SHIFT);

function spaceWith(k: Kernel): Addr {
  const mm = k.mms.create();
  if (mm === 0) throw new Error('no memory for an address space');
  return mm;
}

function map(k: Kernel, mm: Addr, page: number, pages: number, backing: object = {}): void {
  const done = k.maps.mmap(mm, {
    address: addressOf(page),
    length: pages * PAGE_SIZE,
    flags: RW,
    ...backing,
  });
  if (done < 0) throw new Error(`mmap failed: ${done}`);
}

function touch(k: Kernel, mm: Addr, page: number, pages: number, write: boolean): void {
  for (let at = page; at < page + pages; at += 1)
    if ((k.faults.handleMmFault(mm, addressOf(at), write) & VM_FAULT_ERROR) !== 0)
      throw new Error(`a fault at page ${at} was not served`);
}

/** Pages of a block of faults. */
export const FAULTS = 512;

function faultTask(k: Kernel): Task {
  const mm = spaceWith(k);
  map(k, mm, 0, FAULTS);
  const { handleMmFault } = k.faults;
  const drop = (): void => {
    const { isa } = k;
    const mapped = isa.read(mm + Mm.rss);
    if (mapped !== FAULTS) throw new Error(`${FAULTS} faults have mapped ${mapped} pages`);
    k.maps.madviseDontneed(mm, BASE, FAULTS * PAGE_SIZE);
    k.lru.drain();
  };
  return {
    cases: ['fault'],
    before() {},
    block() {
      for (let page = 0; page < FAULTS; page += 1) handleMmFault(mm, addressOf(page), true);
      return FAULTS;
    },
    after: drop,
    count(counts) {
      const each: number[] = [];
      for (let page = 0; page < FAULTS; page += 1) {
        const before = counts().accesses;
        handleMmFault(mm, addressOf(page), true);
        each.push(counts().accesses - before);
      }
      drop();
      const sorted = each.toSorted((a, b) => a - b);
      return {
        accesses: sorted[sorted.length >> 1]!,
        'accesses, mean': each.reduce((sum, one) => sum + one, 0) / FAULTS,
        'accesses, most': sorted.at(-1)!,
      };
    },
  };
}

/** Rounds of a block. */
const LOCKS = 1000;

function pageLockTask(k: Kernel): Task {
  const mm = spaceWith(k);
  map(k, mm, 0, 1);
  touch(k, mm, 0, 1, true);
  const page = k.pages.pageAt(pteNumber(k.pgtable.read(k.pgtable.lookup(mm, BASE))));
  const { pageLockAnonVma, pageUnlockAnonVma } = k.anonVma;
  const enter = (): Addr => {
    const family = pageLockAnonVma(page);
    if (family === 0) throw new Error('the page is mapped, and its anon_vma was not found');
    return family;
  };
  return {
    cases: ['enter and leave'],
    before() {},
    block() {
      for (let left = LOCKS; left > 0; left -= 1) pageUnlockAnonVma(pageLockAnonVma(page));
      return LOCKS;
    },
    after() {},
    count(counts) {
      const first = counts();
      const family = enter();
      const held = counts();
      pageUnlockAnonVma(family);
      const last = counts();
      return {
        'RMWs to enter': held.rmws - first.rmws,
        'RMWs to leave': last.rmws - held.rmws,
        accesses: last.accesses - first.accesses,
      };
    },
  };
}

/** Designs of reverse mapping for anonymous pages and for those of files; the last one records nothing. */
export const RMAP_DESIGNS = {
  pte_chain: { anonRmap: 'pte_chain', fileRmap: 'pte_chain' },
  'anon_vma, i_mmap': { anonRmap: 'anon_vma', fileRmap: 'i_mmap' },
  'anonmm, i_mmap': { anonRmap: 'anonmm', fileRmap: 'i_mmap' },
  none: { anonRmap: 'pte_chain', fileRmap: 'i_mmap' },
} as const satisfies Record<string, { anonRmap: AnonRmap; fileRmap: FileRmap }>;
/** The name of one. */
export type RmapName = keyof typeof RMAP_DESIGNS;

/** Reverse mapping that knows nothing: what every design has to do besides, and no more. */
function noRmap(k: Kernel, original: (k: Kernel) => Rmap): Rmap {
  const { isa } = k;
  const count = (page: Addr, by: number): boolean => {
    isa.fetchAdd(page + Page._mapcount, by);
    return true;
  };
  const addAnon = (page: Addr, _vma: Addr, address: number): boolean => {
    if (isa.readOnce(page + Page.mapping) === 0) {
      isa.writeOnce(page + Page.index, address >>> PAGE_SHIFT);
      isa.writeOnce(page + Page.mapping, MAPPING_ANON);
    }
    return count(page, 1);
  };
  return {
    ...original(k),
    addAnon,
    addNewAnon: addAnon,
    addFile: (page) => count(page, 1),
    remove: (page) => void count(page, -1),
  };
}

/** Forks of a block. */
const FORKS = 8;
/** What forks has the make of a shell: two anonymous vmas, four of a file, all of whose pages are present. */
const ANON_VMAS = 2;
const FILE_VMAS = 4;
const PAGES_EACH = 24;

function forkTask(k: Kernel): Task {
  const mm = spaceWith(k);
  const file = k.pageCache.create(FILE_VMAS * PAGES_EACH);
  for (let at = 0; at < ANON_VMAS + FILE_VMAS; at += 1) {
    // Apart, so that they stay vmas of their own.
    const first = 2 * at * PAGES_EACH;
    const ofFile = at < ANON_VMAS ? undefined : { file, pgoff: (at - ANON_VMAS) * PAGES_EACH };
    map(k, mm, first, PAGES_EACH, ofFile);
    touch(k, mm, first, PAGES_EACH, ofFile === undefined);
  }
  return {
    cases: ['fork and exit'],
    before() {},
    block() {
      for (let left = FORKS; left > 0; left -= 1) {
        const child = k.mms.fork(mm);
        if (child === 0) throw new Error('no memory to fork');
        k.mms.put(child);
      }
      return FORKS;
    },
    after() {},
  };
}

/** Pages that are scanned for, of which some are mlocked. */
const SCANNED = 320;
/** Pages that a block reclaims. */
const WANTED = 24;
const RUN = 10;

/**
 * The mlocked pages are spread over the list: of each run of ten as many as the share says. Each block begins with a new model: there are designs that lose pages.
 */
function scanTask(k: Kernel, shares: readonly number[], wipe: () => void): Task {
  const locked = (share: number): number => (share * RUN) / 100;
  return {
    cases: shares.map(String),
    before(share) {
      wipe();
      const mm = spaceWith(k);
      const some = locked(Number(share));
      map(k, mm, 0, SCANNED);
      for (let at = 0; some > 0 && at < SCANNED; at += RUN) {
        const failed = k.maps.mlock(mm, addressOf(at), some * PAGE_SIZE);
        if (failed !== 0) throw new Error(`mlock failed: ${failed}`);
      }
      touch(k, mm, 0, SCANNED, true);
      k.lru.drain();
      // Not used lately: else the first look at each page would be about that.
      k.pgtable.forEach(mm, BASE, addressOf(SCANNED), (at) => k.pgtable.clearFlags(at, PTE_ACCESSED));
    },
    block() {
      let freed = 0;
      for (let rounds = 0; freed < WANTED; rounds += 1) {
        if (rounds > 4 * SCANNED) throw new Error(`${freed} of ${WANTED} pages were reclaimed`);
        freed += k.reclaim.balance(8);
      }
      return freed;
    },
    after() {},
  };
}

const withRmap = (base: Regime, design: RmapName): Regime => ({ ...base, ...RMAP_DESIGNS[design] });

/** Sets a model up on this thread and makes the task over it. @param words the memory, to wipe a model */
export function makeTask(
  of: TaskOf,
  env: Required<Pick<KernelEnv, 'isa' | 'cpu' | 'at' | 'cpus'>>,
  words: Int32Array,
): Task {
  const regime = regimeByName('A4')!;
  const kernel = (how: Pick<KernelEnv, 'regime' | 'modules'>): Kernel => {
    const k = createKernel({ ...env, spec: TASK_SPEC, regime, ...how });
    initModel(k, {}, env.cpus);
    return k;
  };
  if (of.task === 'fault') return faultTask(kernel({}));
  if (of.task === 'page-lock') {
    const form = ANON_VMA_FORMS[of.form];
    return pageLockTask(kernel({ modules: { anonVma: (k) => anonVma(k, form) } }));
  }
  if (of.task === 'fork') {
    const modules: KernelEnv['modules'] = of.design === 'none' ? { rmap: noRmap } : {};
    return forkTask(kernel({ regime: withRmap(regime, of.design), modules }));
  }
  const { make } = MLOCK_DESIGNS[of.design];
  const k = kernel({ modules: { mlock: (made) => make(made) } });
  return scanTask(k, of.shares, () => {
    words.fill(0, env.at >> 2, k.world.end >> 2);
    initModel(k, {}, env.cpus);
  });
}
