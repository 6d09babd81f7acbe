/**
 * What the races over the whole kernel have in common: pairs and controls of `defineMmScenario`, and what is done before CPUs begin.
 *
 * The address spaces are small, one page table for all of their vmas where nothing else is said, so that an execution is a few hundred accesses. Set-up goes by faults of
 * the kernel and not by user code: so no CPU has a translation yet, and no shootdown interrupts anybody.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../../mm/kernel.ts';
import { PAGE_SIZE, PTE_ACCESSED, pteNumber, ptePresent } from '../../mm/pte.ts';
import { type Regime, regimeByName } from '../../mm/regime.ts';
import { defineMmScenario, type MmContext, type MmScenarioSpec } from '../../mm/scenario.ts';
import { VM } from '../../mm/structs.ts';
import type { ScenarioDefinition, ScenarioMutant } from '../../scenario.ts';
import type { Classic } from '../classic.ts';
import type { Control } from './control.ts';

/** An actor over the model. */
export type Act = (context: MmContext) => void;

type Stated = Omit<MmScenarioSpec, 'name' | 'mutant' | 'actors'> & Partial<Pick<MmScenarioSpec, 'actors'>>;

/** A race over the model: what its twins share, and in what they differ. */
export interface MmRace
  extends Stated,
    Omit<ScenarioMutant, 'of' | 'model'>,
    Partial<Pick<ScenarioMutant, 'model'>> {
  readonly name: string;
  readonly broken: Partial<Stated>;
  readonly fixed: Partial<Stated>;
}

const define = (spec: Omit<MmScenarioSpec, 'actors'> & Pick<Stated, 'actors'>): ScenarioDefinition =>
  defineMmScenario(spec as MmScenarioSpec) as unknown as ScenarioDefinition;

/** Defines both scenarios of a race; one that does not say by which memory model it shows does so under sc. */
export function mmRace({
  name,
  wrong,
  source,
  caughtBy,
  says,
  or,
  model = 'sc',
  broken,
  fixed,
  ...shared
}: MmRace): Classic {
  const mutant = {
    of: name,
    wrong,
    source,
    caughtBy,
    model,
    ...(says === undefined ? {} : { says }),
    ...(or === undefined ? {} : { or }),
  } as const;
  return Object.freeze({
    name,
    broken: define({ ...shared, ...broken, name: `busted/${name}`, mutant }),
    fixed: define({ ...shared, ...fixed, name }),
  });
}

/** Defines a control over the model. */
export function mmControl({ name, why, source, ...spec }: MmControl): Control {
  return Object.freeze({ name, why, source, scenario: define({ ...spec, name }) });
}

/** A control over the model. */
export interface MmControl extends Stated, Pick<Control, 'name' | 'why' | 'source'> {}

/** Of most races here. */
export const THREAD = '"230-objrmap fixes for 2.6.3-mjb2", linux-kernel, March 2004';

/** The regime of a tree; it is one of the table. */
export function tree(name: string, paths: Partial<Regime['paths']> = {}): Regime {
  const regime = regimeByName(name)!;
  return { ...regime, paths: { ...regime.paths, ...paths } };
}

/** The kernel as one of its modules is to see it: some things are others. */
export const seeing = (k: Kernel, others: Partial<Kernel>): Kernel =>
  Object.assign(Object.create(k) as Kernel, others);

/** A machine for a few vmas of one address space. */
export const SMALL = {
  frames: 10,
  mms: 1,
  vmas: 6,
  anonVmas: 1,
  chains: 1,
  pteChains: 4,
  files: 1,
  filePages: 1,
  swapPages: 2,
};

/** Where vmas of a page each lie: two with a hole between them. */
export const [P, HOLE, N] = [0x10000, 0x11000, 0x12000] as const;
/** Where two lie of which each has a story of its own. */
export const [A, B] = [P, N] as const;

/** Reading and writing, private. */
export const RW = VM.READ | VM.WRITE;

/** The address space that was made as number `at`. */
export const mmAt = ({ slabs }: Pick<Kernel, 'slabs'>, at = 0): Addr => slabs.mms.objectAt(at);

/** `init`: maps a range where nothing is. */
export function map(k: Kernel, address: number, flags = RW, file: Addr = 0, length = PAGE_SIZE): void {
  if (k.maps.mmap(mmAt(k), { address, length, flags, file }) !== address)
    throw new Error(`no memory to map ${address}`);
}

/** `init`: gives an address a page, by a fault, and lets it look as if it had not been used for long. @returns the page */
export function populate(k: Kernel, address: number, write = true): Addr {
  const mm = mmAt(k);
  k.faults.handleMmFault(mm, address, write);
  k.lru.drain();
  k.pgtable.clearFlags(k.pgtable.lookup(mm, address), PTE_ACCESSED);
  return pageAt(k, address);
}

/** The page that is mapped at an address; 0: none is. */
export function pageAt(k: Kernel, address: number, mm = mmAt(k)): Addr {
  const at = k.pgtable.lookup(mm, address);
  const pte = at === 0 ? 0 : k.pgtable.read(at);
  return ptePresent(pte) ? k.pages.pageAt(pteNumber(pte)) : 0;
}

/** Reclaim looks at the page that is next. */
export const reclaim: Act = ({ k }) => void k.reclaim.shrinkInactive(1);
/** A page is faulted in. */
export const touch =
  (address: number, write = true, mm = 0): Act =>
  ({ k }) =>
    void k.faults.handleMmFault(mmAt(k, mm), address, write);
/** A page of anonymous memory is mapped. */
export const mapAt =
  (address: number): Act =>
  ({ k }) =>
    void k.maps.mmap(mmAt(k), { address, length: PAGE_SIZE, flags: RW });
/** A page is unmapped. */
export const unmapAt =
  (address: number): Act =>
  ({ k }) =>
    void k.maps.munmap(mmAt(k), address, PAGE_SIZE);
/** One after the other. */
export const inOrder =
  (...acts: readonly Act[]): Act =>
  (context) => {
    for (const act of acts) act(context);
  };
