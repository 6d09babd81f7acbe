/** The lock of broken.ts, which looks and takes in one step. */
import { defineLock } from 'lockrig';

export default defineLock({
  name: 'look-then-take',
  kind: 'mutex',
  size: 64,
  create: (isa) => ({
    acquire(lock) {
      while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1);
    },
    release(lock) {
      isa.storeWake(lock, 0);
    },
  }),
});
