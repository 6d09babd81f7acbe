/** A lock that looks, and then takes: between the two another CPU may do the same. */
import { defineLock } from 'lockrig';

export default defineLock({
  name: 'look-then-take',
  kind: 'mutex',
  size: 64,
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
