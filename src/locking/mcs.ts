/**
 * MCS queue lock (Mellor-Crummey and Scott 1991).
 *
 * tail: the node of the last in the queue, 0 = free        node.next: who comes after        node.locked: 1 = wait
 *
 *   acquire   swings tail to its own node; if there was a node before, links itself behind it and waits on its own `locked`
 *   release   clears the successor's `locked`; if no successor is linked, swings tail back to 0; if that fails one is about to link itself,
 *             and release waits for the link
 *
 * FIFO, in the order of the exchanges on tail. Each CPU waits on a line that only its predecessor writes, so a release disturbs one
 * CPU and wakes one. A node belongs to one CPU and one lock from acquire to release: a CPU may hold several MCS locks and release them
 * in any order, but a handler that interrupts it while it waits must keep off the lock it waits for.
 *
 * Ordering: `next` and `locked` of the own node are prepared before the node can be found: `next` before the exchange, `locked` before the store
 * that links it; set after that, it could undo the predecessor's hand-over. The exchange and the compare-exchange on tail hand the lock
 * over through tail, the store and load of `locked` hand it over in the queue: either way what a holder wrote comes before what the next
 * one reads. After the hand-over nobody touches the node: the predecessor has been heard, the successor has linked itself.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of an {@link mcs} lock. */
export const Mcs = struct('mcs', { tail: u32 });
/** Layout of a queue node, which lies in its CPU's area. */
export const McsNode = struct('mcs_node', { next: u32, locked: u32 });

/** MCS queue lock: FIFO, each CPU waits on its own line. */
export const mcs = defineLock({
  name: 'mcs',
  kind: 'mutex',
  layout: Mcs,
  promises: { fifo: true, spins: true },
  create: (isa, cpu) => {
    const { tail } = Mcs;
    const { next, locked } = McsNode;
    return {
      acquire(lock) {
        const node = cpu.node(lock);
        isa.write(node + next, 0);
        const before = isa.exchange(lock + tail, node);
        isa.queued(lock);
        if (before === 0) return;
        isa.write(node + locked, 1);
        isa.storeWake(before + next, node);
        isa.spinWhile(node + locked, 1);
      },
      tryAcquire(lock) {
        const node = cpu.node(lock);
        isa.write(node + next, 0);
        if (isa.compareExchange(lock + tail, 0, node) === 0) return true;
        cpu.putNode(lock);
        return false;
      },
      release(lock) {
        const node = cpu.node(lock);
        let successor = isa.loadAcquire(node + next);
        if (successor === 0) {
          if (isa.compareExchange(lock + tail, node, 0) === node) {
            cpu.putNode(lock);
            return;
          }
          successor = isa.spinWhile(node + next, 0);
        }
        isa.storeWake(successor + locked, 0);
        cpu.putNode(lock);
      },
    };
  },
});
