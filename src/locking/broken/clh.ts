/** CLH lock that is broken on purpose. */
import { Clh, clh, clhMine } from '../clh.ts';
import { defineMutant } from '../define.ts';

/** Keeps its node. */
export const clhOwnNode = defineMutant(
  clh,
  {
    name: 'busted/clh-own-node',
    wrong:
      'a CPU goes on with the node that it has just released: set again before its successor has looked, the release is lost and both wait for ever',
    caughtBy: 'progress',
  },
  (isa, cpu) => ({
    release(lock) {
      isa.storeWakeOne(isa.read(lock + clhMine(cpu.id)), 0);
    },
  }),
);

/** Queues by a load and a store. */
export const clhPlainSwing = defineMutant(
  clh,
  {
    name: 'busted/clh-plain-swing',
    wrong: 'swings tail by a load and a store: two CPUs wait on one node, and enter together',
    caughtBy: 'exclusion',
    promises: { fifo: false },
  },
  (isa, cpu) => ({
    acquire(lock) {
      const node = isa.read(lock + clhMine(cpu.id));
      isa.write(node, 1);
      const last = isa.load(lock + Clh.tail);
      isa.store(lock + Clh.tail, node);
      isa.queued(lock);
      if (isa.loadAcquire(last) !== 0) isa.spinWhile(last, 1);
      isa.write(lock + Clh.before, last);
    },
  }),
);
