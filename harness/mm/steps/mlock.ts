/** The scripts of the races of mlocked pages: the numbered steps in the head of src/scenarios/mm/mlock.ts. Page 1 is the one that vmas lock. */
import { LIST_POISON_PREV } from '../../../src/memory/index.ts';
import { PG } from '../../../src/mm/structs.ts';
import { by, end, type Steps, type Told } from '../told.ts';

const sets = (cpu: number, flag: number, name: string): Told =>
  by(cpu, 'fetchOr', 'page[1].flags', { sets: flag, what: `sets ${name}` });
const counts = (cpu: number): Told => by(cpu, 'fetchAdd', 'page[1].lru.prev', { what: 'counts' });
const leaves = (cpu: number): Told => by(cpu, 'storeWakeOne', 'zone.lru_lock', { what: 'gives lru_lock up' });

/** The numbered steps, and what comes of them. */
export const MLOCK: Steps = {
  'mlock-by-page-lock': [/^(deadlock|bound)/, sets(0, PG.locked.mask, 'PG_locked'), end(1)],
  'mlock-sketch-list': [
    /^O-LRU: the prev of list entry .* is no address/,
    sets(0, PG.mlocked.mask, 'PG_mlocked'),
    counts(1),
    end(2),
  ],
  'mlock-sketch-count': [
    new RegExp(`^O-MLOCK: page 1: mlock_count is ${LIST_POISON_PREV + 2}, of 2 VM_LOCKED`),
    leaves(0),
    counts(1),
    end(0),
  ],
  'mlock-sketch-start': [/^O-MLOCK: page 1: mlock_count is 1, of 2 VM_LOCKED/, leaves(0), counts(1), end(0)],
  'mlock-count-lost': [
    /^O-MLOCK: the page of vma 1, which is VM_LOCKED, was unmapped/,
    leaves(0),
    end(1),
    leaves(0),
    end(2),
    end(0),
  ],
  'munmap-keeps-mlock': [/^O-MLOCK: page 1: PG_mlocked is set with no VM_LOCKED vma/, end(0), end(1)],
  'munlock-below-zero': [/^O-MLOCK: page 1: PG_mlocked is set with no VM_LOCKED vma/, end(0), end(1)],
};
