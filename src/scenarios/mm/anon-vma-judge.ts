/**
 * What judges page_lock_anon_vma while it runs: O-AV, O-TYPE and O-LOCKBAL of docs/mm.md.
 *
 *   O-AV        the anon_vma that is returned is one that the page's mapping has named since the call began, in that very life. An older one is right as well, as long as it is no other one
 *   O-TYPE      what the lock, the references or the root of an anon_vma are looked for in is an anon_vma; live or free, this one or the next, for the slab is type-stable
 *   O-LOCKBAL   nobody gets a lock that another CPU holds, and none is held when all is over
 *
 * Uses of an object after its end are seen by the detector of lifetimes, sleeping where it is forbidden by that of locks.
 *
 * The judges keep notes in the scene: every mapping with its generation, and the holder of every lock.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { type Cpu, i32, nameOf, type Slab, struct, tagOf, u32, words } from '../../memory/index.ts';
import { SLAB_HEADER_BYTES, SlabHeader } from '../../memory/objects.ts';
import type { AnonVmaForm, AnonVmaLocking } from '../../mm/anon-vma.ts';
import { MmViolation } from '../../mm/oracles/violation.ts';
import { AnonVma } from '../../mm/structs.ts';

const MAPPINGS = 4;
const HOLDERS = 8;

/** The notes of the judges. */
export const Notes = struct('anon_vma_notes', {
  /** Mappings that were begun, and those that are stored; of each the anon_vma and its generation. */
  mappings: i32,
  stored: i32,
  mapping: words(2 * MAPPINGS),
  /** Of each anon_vma's lock: the CPU that holds it + 1. */
  holder: words(HOLDERS),
  /** What a page of KSM is mapped by, which is no anon_vma. */
  stable_node: u32,
});

/** What a judge looks at. */
interface Judged {
  readonly isa: Isa;
  readonly cpu: Cpu;
  readonly anonVmas: Slab;
  /** Where the notes lie. */
  readonly notes: Addr;
}

const hex = (addr: number): string => `0x${(addr >>> 0).toString(16)}`;

/** O-AV. */
export interface MappingJudge {
  /** Lets the page's mapping name this one. @param store stores it */
  names(anonVma: Addr, store: () => void): void;
  /** Calls page_lock_anon_vma. @throws MmViolation when the mapping has named what it returns neither then nor since */
  call(pageLock: () => Addr): Addr;
}

export function mappingJudge({ isa, anonVmas, notes }: Judged): MappingJudge {
  const place = (number: number): Addr => notes + Notes.mapping + 8 * (number % MAPPINGS);
  return {
    names(anonVma, store) {
      const number = isa.load(notes + Notes.mappings);
      isa.writeOnce(place(number), anonVma);
      isa.writeOnce(place(number) + 4, anonVmas.generation(anonVma));
      isa.store(notes + Notes.mappings, number + 1);
      store();
      // Until here the one before may still be seen.
      isa.store(notes + Notes.stored, number + 1);
    },
    call(pageLock) {
      const before = isa.load(notes + Notes.stored);
      const anonVma = pageLock();
      if (anonVma === 0) return 0;
      const generation = anonVmas.generation(anonVma);
      const now = isa.load(notes + Notes.mappings);
      for (let number = Math.max(0, before - 1); number < now; number += 1)
        if (isa.readOnce(place(number)) === anonVma && isa.readOnce(place(number) + 4) === generation)
          return anonVma;
      throw new MmViolation(
        'O-AV',
        `page_lock_anon_vma returns anon_vma#${anonVmas.indexOf(anonVma)} in its generation ${generation}, which the mapping of the page has not named since the call began`,
      );
    },
  };
}

/** Says whether an anon_vma begins at an address, live or free. @param layout of anon_vmas */
function kindJudge({ isa, anonVmas }: Pick<Judged, 'isa' | 'anonVmas'>, layout: object) {
  const tail = anonVmas.objectAt(1) - anonVmas.objectAt(0) - SLAB_HEADER_BYTES;
  const tag = tagOf(layout);
  const begins = (addr: Addr): boolean => {
    const index = anonVmas.indexOf(addr);
    return index >= 0 && anonVmas.objectAt(index) === addr;
  };
  return {
    begins,
    isAnonVma: (addr: Addr): boolean => begins(addr) && isa.readOnce(addr + tail + SlabHeader.kind) === tag,
  };
}

/** Adds O-TYPE to a form. @param layout of anon_vmas */
export function typed(form: AnonVmaForm, judged: Judged, layout: object = AnonVma): AnonVmaForm {
  const { begins, isAnonVma } = kindJudge(judged, layout);

  function checked(addr: Addr, what: string): Addr {
    if (isAnonVma(addr)) return addr;
    const instead = begins(addr)
      ? `its memory is not an ${nameOf(layout)} any more`
      : 'no object begins there';
    throw new MmViolation('O-TYPE', `${what} ${hex(addr)} is used as an anon_vma, but ${instead}`);
  }

  function locking(original: AnonVmaLocking): AnonVmaLocking {
    const ownerOf = (lock: Addr): Addr => checked(lock - AnonVma.lock, 'the root') + AnonVma.lock;
    return {
      ...original,
      lockOf: (anonVma) => ownerOf(original.lockOf(checked(anonVma, 'the mapping'))),
      acquire: (lock) => original.acquire(ownerOf(lock)),
      tryAcquire: (lock) => original.tryAcquire(ownerOf(lock)),
    };
  }

  return {
    ...form,
    locking: (kernel) => locking(form.locking(kernel)),
    lookUp(kernel) {
      const lookUp = form.lookUp(kernel);
      return (page) => {
        const anonVma = lookUp(page);
        return anonVma === 0 ? 0 : checked(anonVma, 'the mapping');
      };
    },
    pageLock: (kernel, parts) =>
      form.pageLock(kernel, {
        ...parts,
        getUnlessZero: (anonVma) => parts.getUnlessZero(checked(anonVma, 'the mapping')),
      }),
  };
}

/** Adds to a form that no lock has two holders: O-LOCKBAL while it runs. */
export function exclusive(form: AnonVmaForm, { isa, cpu, anonVmas, notes }: Judged): AnonVmaForm {
  const holderOf = (lock: Addr): Addr =>
    notes + Notes.holder + 4 * (anonVmas.indexOf(lock - AnonVma.lock) % HOLDERS);

  function has(lock: Addr): void {
    const before = isa.exchange(holderOf(lock), cpu.id + 1);
    if (before !== 0)
      throw new MmViolation(
        'O-LOCKBAL',
        `CPU ${cpu.id} gets the lock of anon_vma#${anonVmas.indexOf(lock - AnonVma.lock)}, which CPU ${before - 1} holds`,
      );
  }

  return {
    ...form,
    locking(kernel) {
      const original = form.locking(kernel);
      return {
        ...original,
        acquire(lock) {
          original.acquire(lock);
          has(lock);
        },
        tryAcquire(lock) {
          const got = original.tryAcquire(lock);
          if (got) has(lock);
          return got;
        },
        release(lock) {
          isa.store(holderOf(lock), 0);
          original.release(lock);
        },
      };
    },
  };
}

/** O-LOCKBAL at rest. @param layout of anon_vmas @returns what is wrong; undefined: no lock is held */
export function unbalanced(
  judged: Pick<Judged, 'isa' | 'anonVmas'>,
  layout: object = AnonVma,
): string | undefined {
  const { isa, anonVmas } = judged;
  const { isAnonVma } = kindJudge(judged, layout);
  for (let index = 0; index < anonVmas.objects; index += 1) {
    const anonVma = anonVmas.objectAt(index);
    if (isAnonVma(anonVma) && isa.read(anonVma + AnonVma.lock) !== 0)
      return `O-LOCKBAL: the lock of anon_vma#${index} is held, and nobody is left to release it`;
  }
  return undefined;
}
