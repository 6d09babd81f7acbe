/** MCS locks that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { Mcs, McsNode, mcs } from '../mcs.ts';

/** Does not wait for the link. */
export const mcsUnlinked = defineMutant(
  mcs,
  {
    name: 'busted/mcs-unlinked',
    wrong:
      'release does not wait for the link of a successor that has swapped the tail but not yet linked itself: it waits for ever',
    caughtBy: 'progress',
  },
  (isa, cpu) => ({
    release(lock) {
      const node = cpu.node(lock);
      const next = isa.loadAcquire(node + McsNode.next);
      if (next === 0) isa.compareExchange(lock + Mcs.tail, node, 0);
      else isa.storeWake(next + McsNode.locked, 0);
      cpu.putNode(lock);
    },
  }),
);

/** Cuts off those who came meanwhile. */
export const mcsCutTail = defineMutant(
  mcs,
  {
    name: 'busted/mcs-cut-tail',
    wrong:
      'a release that sees no successor empties the queue by a store: who has joined meanwhile is cut off, and who comes next enters',
    caughtBy: 'order',
  },
  (isa, cpu) => ({
    release(lock) {
      const node = cpu.node(lock);
      const next = isa.loadAcquire(node + McsNode.next);
      if (next === 0) isa.store(lock + Mcs.tail, 0);
      else isa.storeWake(next + McsNode.locked, 0);
      cpu.putNode(lock);
    },
  }),
);
