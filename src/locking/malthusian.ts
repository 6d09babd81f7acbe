/**
 * Malthusian lock, MCSCR (Dice 2017): an MCS lock that takes surplus waiters out of circulation.
 *
 *   tail      the node of the last in the queue, 0 = free
 *   culled    the waiters taken out, the last one first, linked by `below`; the holder's alone
 *   turns     releases since a culled waiter was let back in for fairness
 *   node.next who comes after        node.locked: 1 = wait
 *
 * To keep a lock busy it takes a holder and one waiter. All others only compete for caches and cores, most of all where there are more CPUs than
 * cores. So a release that finds two waiters behind it culls the nearer one and grants the lock to the other; the culled one goes on waiting on its
 * node, and after a while parks. A release with an empty queue takes the last one culled back, and every 256th release takes back the one
 * that has been out longest, and grants it the lock at once: unfair from moment to moment, nobody starves.
 *
 * It is an MCS lock in all else: nodes are those of the waiting CPUs, each waits on its own line, and the queue is FIFO as far as it goes. No
 * order is promised, and no bound: how long a culled CPU waits depends on how many are out.
 *
 * Culled waiters are touched by the holder only, and a waiter in the middle of the queue by the holder only, too: its `next` is there, so who
 * joined behind it has done so, and it itself reads nothing but `locked`. The last in the queue is never culled: `tail` names it.
 *
 * Ordering: as `mcs`. `culled`, `turns` and the nodes' `below` pass from holder to holder with the lock: plain accesses.
 */
import type { Addr } from '../arch/index.ts';
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link malthusian} lock. */
export const Malthusian = struct('malthusian', { tail: u32.ownLine(), culled: u32.ownLine(), turns: u32 });
/** Layout of a queue node, which lies in its CPU's area. */
export const MalthusianNode = struct('malthusian_node', { next: u32, locked: u32, below: u32 });

/** Releases from one that is fair to the next. */
const FAIR_EVERY = 256;

/** Culling MCS lock: throughput before fairness. */
export const malthusian = defineLock({
  name: 'malthusian',
  kind: 'mutex',
  layout: Malthusian,
  promises: { spins: true },
  create: (isa, cpu) => {
    const { tail, culled, turns } = Malthusian;
    const { next, locked, below } = MalthusianNode;

    function cull(lock: Addr, node: Addr): void {
      isa.write(node + below, isa.read(lock + culled));
      isa.write(lock + culled, node);
    }

    /** Takes the last one culled back; 0: nobody is out. */
    function latest(lock: Addr): Addr {
      const node = isa.read(lock + culled);
      if (node !== 0) isa.write(lock + culled, isa.read(node + below));
      return node;
    }

    /** Takes the one back that has been out longest; somebody is. */
    function oldest(lock: Addr): Addr {
      let link = lock + culled;
      let node = isa.read(link);
      for (let under = isa.read(node + below); under !== 0; under = isa.read(node + below)) {
        link = node + below;
        node = under;
      }
      isa.write(link, 0);
      return node;
    }

    const grant = (node: Addr): void => isa.storeWakeOne(node + locked, 0);

    /** The queue ends with this CPU's node: refills it with a culled waiter, or empties it. @returns whether the lock is given up */
    function leaveLast(lock: Addr, node: Addr): boolean {
      const heir = latest(lock);
      if (heir !== 0) isa.write(heir + next, 0);
      if (isa.compareExchange(lock + tail, node, heir) === node) {
        if (heir !== 0) grant(heir);
        return true;
      }
      if (heir !== 0) cull(lock, heir);
      return false;
    }

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
        let heir = isa.loadAcquire(node + next);
        if (heir === 0) {
          if (leaveLast(lock, node)) return cpu.putNode(lock);
          heir = isa.spinWhile(node + next, 0);
        }
        const turn = isa.read(lock + turns) + 1;
        isa.write(lock + turns, turn);
        if (turn >= FAIR_EVERY && isa.read(lock + culled) !== 0) {
          isa.write(lock + turns, 0);
          const first = oldest(lock);
          isa.store(first + next, heir);
          grant(first);
          return cpu.putNode(lock);
        }
        const after = isa.loadAcquire(heir + next);
        if (after !== 0) {
          cull(lock, heir);
          heir = after;
        }
        grant(heir);
        cpu.putNode(lock);
      },
    };
  },
});
