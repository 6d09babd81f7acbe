/**
 * What a quiescent check of the mm model costs: every oracle, asked about a model at rest of 256 frames and 64 vmas.
 *
 * The model is as full as a mix leaves it: all 64 vmas live, in four address spaces (private, shared and of a file, locked, inherited by fork); more pages were written than there are frames, so
 * some are on the swap device; a ledger has what users wrote. A seed draws the operations, so a seed is a model.
 *
 * Checks are made by one thread, in batches, after some that are not counted; the figure is the median of the batches, so that a pause of the machine is not taken for the check.
 */
import type { Isa } from '../src/arch/index.ts';
import { createMachine, type Engine } from '../src/memory/index.ts';
import {
  type Kernel,
  type Ledger,
  type MmSpec,
  PAGE_SIZE,
  placeModel,
  quiescent,
  regimeByName,
  useModel,
  VM,
  Vma,
} from '../src/mm/index.ts';
import { ledger, ledgerBytes, observeUser } from '../src/mm/oracles/index.ts';
import { median } from './stats.ts';

/** The model that is checked. */
export const CHECKED: Partial<MmSpec> = {
  frames: 256,
  mms: 4,
  vmas: 64,
  anonVmas: 64,
  chains: 256,
  pteChains: 512,
  filePages: 16,
  swapPages: 64,
};
const PLACES = 1024;
const BASE = 0x100;
const PAGES = 240;
const MMS = 4;

/** How a check is measured. */
export interface CheckOptions {
  /** `wasm` unless given. */
  readonly engine?: Engine;
  /** By its name; `A4` unless given. */
  readonly regime?: string;
  readonly seed?: number;
  /** Checks of a batch, and batches; the first quarter of them is not counted. */
  readonly batch?: number;
  readonly batches?: number;
  /** These alone, by name. */
  readonly only?: readonly string[];
}

/** What a check costs. */
export interface CheckCost {
  /** Milliseconds a check: the median of the batches. */
  readonly ms: number;
  /** Of the batch that was disturbed least. */
  readonly least: number;
  readonly frames: number;
  /** Vmas that live, and frames that are somebody's. */
  readonly vmas: number;
  readonly used: number;
}

/** A model at rest that is full. */
export interface FullModel {
  readonly k: Kernel;
  readonly book: Ledger;
}

/** Sets one up on a machine of its own. */
export function fullModel({ engine = 'wasm', regime = 'A4', seed = 1 }: CheckOptions = {}): FullModel {
  const machine = createMachine({ cpus: 1 });
  const at = machine.alloc(ledgerBytes(PLACES));
  const placed = placeModel(machine, CHECKED);
  const cpu = machine.attach(0, { seed, engine });
  let book: Ledger | undefined;
  const bookOf = ({ isa }: { readonly isa: Isa }): Ledger => (book ??= ledger(isa, at, PLACES));
  const k = useModel({ isa: cpu.isa, cpu }, placed, {
    regime: regimeByName(regime)!,
    modules: observeUser({ book: bookOf, shared: sharedAt }),
  });
  fill(k, (below) => cpu.below(below));
  return { k, book: bookOf(k) };
}

function sharedAt(
  { isa, vmaTree }: Kernel,
  mm: number,
  address: number,
): { file: number; page: number } | undefined {
  const vma = vmaTree.findVma(mm, address);
  if (vma === 0 || isa.read(vma + Vma.vm_start) > address) return undefined;
  const file = isa.read(vma + Vma.vm_file);
  if (file === 0 || (isa.read(vma + Vma.vm_flags) & VM.SHARED) === 0) return undefined;
  const page = isa.read(vma + Vma.vm_pgoff) + (address - isa.read(vma + Vma.vm_start)) / PAGE_SIZE;
  return { file, page };
}

/** Maps until no vma is left, and writes until the frames are used up. */
function fill(k: Kernel, draw: (below: number) => number): void {
  const RW = VM.READ | VM.WRITE;
  const files = [k.pageCache.create(16), k.pageCache.create(16)];
  const mms = [k.mms.create(), k.mms.create()];
  const at = (): number => (BASE + draw(PAGES)) * PAGE_SIZE;
  const any = (): number => mms[draw(mms.length)]!;
  let version = 0;
  const touch = (times: number): void => {
    for (let done = 0; done < times; done += 1) {
      const mm = any();
      version += 1;
      k.tlb.load(mm);
      if (draw(4) === 0) k.user.userRead(mm, at());
      else k.user.userWrite(mm, at(), 7, version);
      if (draw(16) === 0) k.reclaim.balance(8);
    }
  };
  const map = (): void => {
    const kind = draw(6);
    const flags = RW | (kind === 0 ? VM.SHARED : 0) | (kind === 1 ? VM.LOCKED : 0);
    const file = kind === 0 || kind === 2 ? { file: files[draw(2)]!, pgoff: draw(8) } : {};
    k.maps.mmap(any(), { address: at(), length: (2 + draw(8)) * PAGE_SIZE, flags, ...file });
  };
  for (let done = 0; done < 24; done += 1) map();
  touch(300);
  while (mms.length < MMS) {
    const child = k.mms.fork(any());
    if (child === 0) break;
    mms.push(child);
  }
  for (let tries = 0; k.slabs.vmas.freeObjects() > 0 && tries < 1000; tries += 1) {
    map();
    if (draw(4) === 0) k.maps.mprotect(any(), at(), (1 + draw(2)) * PAGE_SIZE, VM.READ);
  }
  touch(2000);
  k.lru.drain();
}

/**
 * Measures a check of a full model.
 * @throws Error when an oracle finds something
 */
export function checkCost(options: CheckOptions = {}): CheckCost {
  const { batch = 20, batches = 40, only } = options;
  const { k, book } = fullModel(options);
  const check = (): string[] => quiescent(k, { ledger: book, ...(only ? { only } : {}) });
  const wrong = check();
  if (wrong.length > 0) throw new Error(`the model that is checked is not sound: ${wrong.join('; ')}`);
  const taken: number[] = [];
  for (let done = 0; done < batches; done += 1) {
    const from = performance.now();
    for (let checks = 0; checks < batch; checks += 1) check();
    taken.push((performance.now() - from) / batch);
  }
  const counted = taken.slice(Math.floor(batches / 4));
  return {
    ms: median(counted),
    least: Math.min(...counted),
    frames: k.spec.frames,
    vmas: k.slabs.vmas.objects - k.slabs.vmas.freeObjects(),
    used: k.spec.frames - k.pageAlloc.freePages(),
  };
}
