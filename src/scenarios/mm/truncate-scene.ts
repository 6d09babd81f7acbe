/**
 * What the races of truncation have in common: files, mappings of them, and what is watched while a file becomes shorter (mm.md R2.*; "vmtrunc", Hugh Dickins, October 2004).
 *
 * A block is one page here, so that a vma of two or three pages is a large one. Nobody has loaded an address space: pages come by faults of the kernel.
 *
 * Watched is how unmap_mapping_range comes on, block by block, where a scenario says so (O-LIVE):
 *
 *   again       a vma is looked at again from where this call has been: it may go on so for ever
 *   contended   a second block goes while somebody waits for i_mmap_lock: he waits for as long as it takes
 *   more        more vmas are looked at than there were when it began: who keeps mapping keeps it going
 *   over        the walk starts over
 */
import type { Addr } from '../../arch/index.ts';
import type { KernelEnv } from '../../mm/create.ts';
import type { Kernel } from '../../mm/kernel.ts';
import { MmViolation } from '../../mm/oracles/violation.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import { AddressSpace, VM, Vma } from '../../mm/structs.ts';
import { TRUNCATE_DESIGNS, type TruncateName, type TruncateRules } from '../../mm/truncate/rules.ts';
import { truncate } from '../../mm/truncate.ts';
import { type Act, mmAt, RW, tree } from './objrmap-scene.ts';

/** Of most races here. */
export const VMTRUNC = '"vmtrunc", Hugh Dickins, linux-kernel, October 2004';

/** A machine for a few mappings of a file of four pages. */
export const FILES = {
  frames: 14,
  mms: 1,
  vmas: 6,
  anonVmas: 2,
  chains: 4,
  pteChains: 1,
  files: 2,
  filePages: 4,
  swapPages: 1,
};

/** The locks of 2.6.7, in which these patches were made. */
export const REGIME = tree('AM');

/** The file that was made as number `at`. */
export const fileAt = ({ slabs }: Pick<Kernel, 'slabs'>, at = 0): Addr => slabs.files.objectAt(at);

/** A range of a file at an address. */
export interface Mapped {
  readonly at: number;
  readonly pages: number;
  readonly pgoff?: number;
  readonly mm?: number;
  readonly file?: number;
}

/** Maps a range of a file, shared. */
export function mapFile(k: Kernel, { at, pages, pgoff = 0, mm = 0, file = 0 }: Mapped): number {
  const mapping = fileAt(k, file);
  const flags = RW | VM.SHARED;
  return k.maps.mmap(mmAt(k, mm), { address: at, length: pages * PAGE_SIZE, flags, file: mapping, pgoff });
}

/** `init`: a file of four pages, address spaces, mappings with every page of them present. */
export const scene =
  (mappings: readonly Mapped[], { mms = 1, files = 1 } = {}): Act =>
  ({ k }) => {
    for (let made = 0; made < files; made += 1) k.pageCache.create(FILES.filePages);
    for (let made = 0; made < mms; made += 1) k.mms.create();
    for (const each of mappings) {
      if (mapFile(k, each) !== each.at) throw new Error(`no memory to map ${each.at}`);
      for (let page = 0; page < each.pages; page += 1)
        k.faults.handleMmFault(mmAt(k, each.mm), each.at + page * PAGE_SIZE, false);
    }
    k.lru.drain();
  };

/** The file becomes so long. */
export const cut =
  (...sizes: readonly number[]): Act =>
  ({ k }) => {
    for (const size of sizes) k.truncate.vmtruncate(fileAt(k), size);
  };

/** Takes i_mmap_lock a number of times. */
export const want =
  (times: number): Act =>
  ({ k }) => {
    for (let done = 0; done < times; done += 1) {
      k.sections.enter('truncate', { mm: 0, mapping: fileAt(k) });
      k.sections.leave();
    }
  };

/** What is watched. */
export interface Watched {
  readonly again?: true;
  readonly contended?: true;
  readonly more?: true;
  readonly over?: true;
}

const live = (what: string): never => {
  throw new MmViolation('O-LIVE', what);
};

/** Modules with a design of truncation, by its name, other rules put in, and what is watched of it. */
export const design =
  (name: TruncateName, others: Partial<TruncateRules> = {}, watched: Watched = {}) =>
  (): NonNullable<KernelEnv['modules']> => {
    const rules = { ...TRUNCATE_DESIGNS[name], block: 1, ...others };
    // Of the call that this CPU is in.
    const been = new Set<string>();
    const vmas = new Set<Addr>();
    let [there, contended, walks] = [0, 0, 0];
    return {
      truncate(k) {
        const made = truncate(k, rules);
        const begin = (): void => {
          been.clear();
          vmas.clear();
          walks = 0;
        };
        return {
          ...made,
          vmtruncate(mapping, size) {
            begin();
            return made.vmtruncate(mapping, size);
          },
          unmapMappingRange(mapping, first, pages, evenCows) {
            begin();
            made.unmapMappingRange(mapping, first, pages, evenCows);
          },
        };
      },
      iMmap(k, original) {
        const made = original(k);
        return {
          ...made,
          iterFirst(mapping, first, last) {
            contended = 0;
            walks += 1;
            // It has its number now: who comes later is stamped with that.
            if (watched.more && walks === 1) there = k.slabs.vmas.objects - k.slabs.vmas.freeObjects();
            if (watched.over && walks > 1) live('the walk starts over, and nobody waits for i_mmap_lock');
            return made.iterFirst(mapping, first, last);
          },
        };
      },
      zap(k, original) {
        const made = original(k);
        const { isa, slabs } = k;
        return {
          ...made,
          range(gather, vma, start, end, details) {
            // Only truncation says what it leaves alone.
            if (details === undefined) return made.range(gather, vma, start, end);
            const place = `${vma} ${slabs.vmas.generation(vma)} ${start}`;
            if (watched.again && been.has(place))
              live(`a vma is looked at again from 0x${start.toString(16)}, where the call has been`);
            been.add(place);
            vmas.add(vma);
            if (watched.more && vmas.size > there)
              live(`${vmas.size} vmas are looked at, and there were ${there} when the call began`);
            if (watched.contended) {
              const mapping = isa.readOnce(vma + Vma.vm_file);
              if (isa.readOnce(mapping + AddressSpace.i_mmap_waiters) !== 0) contended += 1;
              if (contended > 1) live('a second block of pages goes while somebody waits for i_mmap_lock');
            }
            return made.range(gather, vma, start, end, details);
          },
        };
      },
    };
  };
