/** How big a model is: what there is of everything, stated when it is set up and constant from there on. */

/** The sizes of a model. */
export interface MmSpec {
  /** Page frames, table pages included; 64 unless given. */
  readonly frames: number;
  /** mm_structs. */
  readonly mms: number;
  /** vm_area_structs, of all address spaces together. */
  readonly vmas: number;
  readonly anonVmas: number;
  /** anon_vma_chains. */
  readonly chains: number;
  readonly pteChains: number;
  readonly files: number;
  /** The longest file, in pages. */
  readonly filePages: number;
  /** Slots of the swap device. */
  readonly swapPages: number;
  /** Free pages that a CPU keeps at most; 0: none. */
  readonly pcp: number;
  /** Bytes that drivers have for themselves (movable/driver.ts); 0 unless given. */
  readonly driverBytes: number;
  /** Words of an entry in a page table: 1, or 2 as on 32-bit machines with PAE, where it can be torn. */
  readonly pteWords: 1 | 2;
  /** Pools of small objects, their zspages, and handles of objects; 0: none. */
  readonly zsPools: number;
  readonly zspages: number;
  readonly zsHandles: number;
  /** Balloons; 0: none. */
  readonly balloons: number;
}

/** What is not given: a machine in which everything collides often. */
export const DEFAULT_SPEC: MmSpec = Object.freeze({
  frames: 64,
  mms: 4,
  vmas: 16,
  anonVmas: 8,
  chains: 32,
  pteChains: 64,
  files: 2,
  filePages: 16,
  swapPages: 32,
  pcp: 0,
  driverBytes: 0,
  pteWords: 1,
  zsPools: 0,
  zspages: 0,
  zsHandles: 0,
  balloons: 0,
});

/** The most of each; a pte has 24 bits for a frame or a swap slot. */
const MOST: Readonly<Record<Exclude<keyof MmSpec, 'pteWords'>, readonly [least: number, most: number]>> = {
  frames: [4, 2 ** 20],
  mms: [1, 4096],
  vmas: [1, 2 ** 16],
  anonVmas: [1, 2 ** 16],
  chains: [1, 2 ** 18],
  pteChains: [1, 2 ** 20],
  files: [1, 1024],
  filePages: [1, 4096],
  swapPages: [1, 2 ** 20],
  pcp: [0, 64],
  zsPools: [0, 1024],
  zspages: [0, 2 ** 16],
  zsHandles: [0, 2 ** 18],
  balloons: [0, 1024],
  driverBytes: [0, 2 ** 24],
};

/** A model that cannot be: says what was asked for and what would be right. */
export class MmSpecError extends RangeError {
  readonly code = 'EMMSPEC';
  constructor(message: string) {
    super(message);
    this.name = 'MmSpecError';
  }
}

/**
 * Completes sizes.
 * @throws MmSpecError when one makes no sense
 */
export function mmSpec(given: Partial<MmSpec> = {}): MmSpec {
  const known = Object.keys(DEFAULT_SPEC);
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw new MmSpecError(`the model has no size '${key}': it has ${known.join(', ')}`);
  const spec = { ...DEFAULT_SPEC, ...given };
  for (const [key, [least, most]] of Object.entries(MOST)) {
    const value = spec[key as keyof MmSpec];
    if (!Number.isInteger(value) || value < least || value > most)
      throw new MmSpecError(`'${key}' of the model is a whole number from ${least} to ${most}, not ${value}`);
  }
  if (spec.pteWords !== 1 && spec.pteWords !== 2)
    throw new MmSpecError(`an entry of a page table has 1 or 2 words, not ${String(spec.pteWords)}`);
  return Object.freeze(spec);
}
