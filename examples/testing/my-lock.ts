/**
 * A lock of one's own, twice: `spin` is right, `hasty` looks first and takes the lock afterwards. examples/testing/hunt.test.mjs hunts both.
 */
import { defineLock } from 'lockrig';

export const spin = defineLock({
  name: 'spin',
  kind: 'mutex',
  size: 4,
  create: (isa) => ({
    acquire(lock) {
      while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1);
    },
    release(lock) {
      isa.storeWake(lock, 0);
    },
  }),
});

export const hasty = defineLock({
  name: 'hasty',
  kind: 'mutex',
  size: 4,
  create: (isa) => ({
    acquire(lock) {
      while (isa.load(lock) !== 0) isa.spinWhile(lock, 1);
      isa.store(lock, 1);
    },
    release(lock) {
      isa.storeWake(lock, 0);
    },
  }),
});
