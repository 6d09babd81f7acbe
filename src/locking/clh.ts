/**
 * CLH queue lock (Craig 1993; Magnusson, Landin and Hagersten 1994).
 *
 * tail: the node of the last in the queue        node.locked: 1 = its CPU holds the lock or waits        mine[cpu]: that CPU's node
 *
 *   acquire   sets `locked` in its own node, swings tail to it, and waits until `locked` of the node that was there before is 0
 *   release   clears `locked` in its own node, and from now on owns the node it waited on
 *
 * The queue is implicit: everybody knows only whom it waits for, nobody has to link itself behind another, and a release is one store, whether
 * somebody waits or not. In return nodes wander: after a release the own node belongs to whoever waits on it, who may look at it for
 * a while yet, so the releaser takes the one it waited on, at which nobody else looks any more. So a lock has a node for each CPU and one more, the
 * first tail, and they stay within it: a CPU may hold several such locks and release them in any order.
 *
 * FIFO in the order of the exchanges on tail. There is no try: a node that was seen free may be in use again, at the same tail, before
 * the compare-exchange, and who has joined the queue cannot leave it.
 *
 * Ordering: `locked` is set before the exchange that makes the node found; the acquire load that sees it 0 reads what the last holder stored after
 * its critical section. `mine` is its CPU's alone, `before` the holder's: plain accesses, the latter passed on with the lock.
 */
import type { Addr } from '../arch/index.ts';
import { LINE, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link clh} lock's head. The CPUs' lines follow, each with its `mine`, then the nodes, a line each, one more than CPUs. */
export const Clh = struct('clh', { tail: u32.ownLine(), before: u32.ownLine() });

const HEAD = 2 * LINE;

/** Byte offset in the lock of the word that says which node is a CPU's. */
export function clhMine(cpu: number): number {
  return HEAD + LINE * cpu;
}

/** CLH queue lock: FIFO, one store to release. */
export const clh = defineLock({
  name: 'clh',
  kind: 'mutex',
  layout: Clh,
  size: (cpus) => HEAD + LINE * (2 * cpus + 1),
  promises: { fifo: true, spins: true },
  init(isa, lock, cpus) {
    const node = (index: number): Addr => lock + HEAD + LINE * (cpus + index);
    for (let cpu = 0; cpu < cpus; cpu += 1) isa.store(lock + clhMine(cpu), node(cpu));
    isa.store(lock + Clh.tail, node(cpus));
  },
  create: (isa, cpu) => {
    const { tail, before } = Clh;
    const mine = clhMine(cpu.id);
    return {
      acquire(lock) {
        const node = isa.read(lock + mine);
        isa.write(node, 1);
        const last = isa.exchange(lock + tail, node);
        isa.queued(lock);
        if (isa.loadAcquire(last) !== 0) isa.spinWhile(last, 1);
        isa.write(lock + before, last);
      },
      release(lock) {
        const node = isa.read(lock + mine);
        isa.write(lock + mine, isa.read(lock + before));
        isa.storeWakeOne(node, 0);
      },
    };
  },
});
