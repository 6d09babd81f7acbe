/** Array lock that is broken on purpose. */
import { andersonLock, andersonPlaces } from '../anderson.ts';
import { defineMutant } from '../define.ts';

const narrow = andersonLock('anderson', (cpus) => Math.max(1, andersonPlaces(cpus) / 2));

/** Too few places. */
export const andersonWraps = defineMutant(
  narrow,
  {
    name: 'busted/anderson-wraps',
    wrong:
      'the array has a place for every other CPU: it wraps onto the place of one that still waits, and one release lets both in',
    caughtBy: 'exclusion',
    cpus: 3,
    promises: { fifo: false },
  },
  () => ({}),
);
