/** Mutexes in the form of Linux's that are broken on purpose; their bound is short, so that a breach shows soon. */
import { defineMutant } from '../define.ts';
import { mutexLock } from '../mutex.ts';

const SHORT = 4;

/** Does not hand over. */
export const mutexHandoffStolen = defineMutant(
  mutexLock('mutex', { handoffAfter: SHORT, handsOver: false }),
  {
    name: 'busted/mutex-handoff-stolen',
    wrong:
      'a release with the hand-off bit set frees the mutex and wakes the first waiter instead of handing over: others steal it on the way, without end',
    caughtBy: 'bypass',
  },
  () => ({}),
);
