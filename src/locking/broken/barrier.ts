/** Barriers that are broken on purpose. */
import { Barrier, barrier } from '../barrier.ts';
import { defineMutant } from '../define.ts';

/** Has no phases. */
export const barrierLapped = defineMutant(
  barrier,
  {
    name: 'busted/barrier-lapped',
    wrong:
      'the parties wait for the count itself to be reset: a fast one comes back and counts anew before a slow one has seen the reset, and ' +
      'each then waits for the other',
    caughtBy: 'progress',
  },
  (isa) => ({
    wait(lock) {
      let now = isa.fetchAdd(lock + Barrier.arrived, 1) + 1;
      if (now === isa.read(lock + Barrier.parties)) {
        isa.storeWake(lock + Barrier.arrived, 0);
        return true;
      }
      while (now !== 0) now = isa.spinWhile(lock + Barrier.arrived, now);
      return false;
    },
  }),
);

/** Opens before it resets. */
export const barrierLateReset = defineMutant(
  barrier,
  {
    name: 'busted/barrier-late-reset',
    wrong:
      'the last party opens the next phase before it resets the count: who comes back in between is not counted',
    caughtBy: 'progress',
  },
  (isa) => ({
    wait(lock) {
      const phase = isa.load(lock + Barrier.phase);
      if (isa.fetchAdd(lock + Barrier.arrived, 1) + 1 !== isa.read(lock + Barrier.parties)) {
        isa.spinWhile(lock + Barrier.phase, phase);
        return false;
      }
      isa.storeWake(lock + Barrier.phase, (phase + 1) | 0);
      isa.store(lock + Barrier.arrived, 0);
      return true;
    },
  }),
);

/** Is reset by the last to leave. */
export const barrierFallsThrough = defineMutant(
  barrier,
  {
    name: 'busted/barrier-falls-through',
    wrong:
      'the count stays full until the last party has left and resets it: a fast one that comes back before that finds it full and goes ' +
      'straight through',
    caughtBy: 'counts',
  },
  (isa) => ({
    wait(lock) {
      const parties = isa.read(lock + Barrier.parties);
      let now = isa.fetchAdd(lock + Barrier.arrived, 1) + 1;
      if (now === parties) isa.wake(lock + Barrier.arrived, -1);
      while (now < parties) now = isa.spinWhile(lock + Barrier.arrived, now);
      // `phase` counts those who leave.
      if (isa.fetchAdd(lock + Barrier.phase, 1) + 1 !== parties) return false;
      isa.store(lock + Barrier.phase, 0);
      isa.store(lock + Barrier.arrived, 0);
      return true;
    },
  }),
);
