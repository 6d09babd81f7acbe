/**
 * Ticket lock with proportional backoff (Mellor-Crummey and Scott 1991, section 2.2): a waiter knows how many are before it, and looks again
 * only after as many times the shortest critical section.
 *
 * The words are those of `ticket`, and so is everything but the wait: `next` is drawn from, gates[t % 16] shows t when ticket t may
 * enter, `owner` is the ticket inside.
 *
 * acquire draws a ticket and, if its gate is shut, pauses for each CPU before it, then looks at its gate once. As long as the queue has moved on
 * in the meantime it pauses for those that are still there; when it has not, the holder is slow or preempted, and the waiter blocks on
 * its gate by its waiting policy. FIFO, like every ticket lock.
 *
 * Ordering: as `ticket`: the acquire load of the gate pairs with the store in release. `owner` is written by holders only, by a relaxed
 * store, since waiters read it: for them it is a hint of how long to stay away, nothing more.
 */
import type { Addr } from '../arch/index.ts';
import { defineLock } from './define.ts';
import { gateOf, Ticket, ticket } from './ticket.ts';

/** Pauses for each CPU before. */
const SHARE = 4;

/** Ticket lock whose waiters stay away in proportion to their place: FIFO. */
export const ticketBackoff = defineLock({
  name: 'ticket-backoff',
  kind: 'mutex',
  layout: Ticket,
  promises: { fifo: true, spins: true },
  create: (isa, cpu) => {
    const { next, owner } = Ticket;
    const { tryAcquire } = ticket.create(isa, cpu);

    function waitFor(lock: Addr, mine: number): void {
      const gate = lock + gateOf(mine);
      let before = mine - isa.readOnce(lock + owner);
      for (;;) {
        for (let left = SHARE * before; left > 0; left -= 1) isa.pause();
        let now = isa.loadAcquire(gate);
        if (now === mine) return;
        const still = mine - isa.readOnce(lock + owner);
        if (still >= before) {
          while (now !== mine) now = isa.spinWhile(gate, now);
          return;
        }
        before = still;
      }
    }

    return {
      acquire(lock) {
        const mine = isa.fetchAdd(lock + next, 1);
        isa.queued(lock);
        if (isa.loadAcquire(lock + gateOf(mine)) !== mine) waitFor(lock, mine);
      },
      ...(tryAcquire ? { tryAcquire } : {}),
      release(lock) {
        const following = (isa.readOnce(lock + owner) + 1) | 0;
        isa.writeOnce(lock + owner, following);
        isa.storeWake(lock + gateOf(following), following);
      },
    };
  },
});
