/**
 * Ticket lock (Reed and Kanodia 1979; Linux 2.6.25 to 4.1), with a word for each waiter to wait on (Dice 2011, partitioned ticket locks).
 *
 * next: the ticket the next comer draws        owner: the ticket that is inside, or the next to be        gates: ticket t may enter once
 * gates[t % 16] shows t
 *
 * acquire draws a ticket with a full-barrier add and waits until its gate shows it; release opens the gate of the next ticket. FIFO by
 * construction, so a preempted waiter stalls everyone behind it: with more CPUs than cores prefer a lock that lets others pass. All
 * could wait on `owner` just as well, but then every release would wake every parked waiter, and all but one in vain. So only every
 * 16th waiter shares a gate. The gates share a line, which a release has to touch anyway to tell the next.
 *
 * Zeroed memory is a free lock: gate 0 shows 0, the first ticket, and no other gate shows a ticket of its own until it is opened for it.
 * Tickets wrap at 2^32, a multiple of the gates. A gate is opened for t + 16 only after t has gone through, so no waiter can miss its ticket.
 *
 * Ordering: the acquire load of the gate pairs with the store in release, so a critical section sees its predecessor's writes. `owner`
 * is written by holders only and passed on with the lock: plain accesses. tryAcquire has the lock if the gate of the ticket it is
 * about to draw is open already; the draw by compare-exchange fails if another has drawn it.
 */
import type { Addr } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import { defineLock } from './define.ts';

const GATES = 16;

/** Layout of a {@link ticket} lock. */
export const Ticket = struct('ticket', { next: u32.ownLine(), owner: u32, gates: words(GATES) });

/** Byte offset in the lock of the gate of a ticket. */
export function gateOf(ticket: number): number {
  return Ticket.gates + 4 * (ticket & (GATES - 1));
}

/** Ticket lock: FIFO. */
export const ticket = defineLock({
  name: 'ticket',
  kind: 'mutex',
  layout: Ticket,
  promises: { fifo: true, spins: true },
  create: (isa) => {
    const { next, owner, gates } = Ticket;
    const gate = (lock: Addr, ticket: number): Addr => lock + gates + 4 * (ticket & (GATES - 1));
    return {
      acquire(lock) {
        const mine = isa.fetchAdd(lock + next, 1);
        isa.queued(lock);
        const mineAt = gate(lock, mine);
        let now = isa.loadAcquire(mineAt);
        while (now !== mine) now = isa.spinWhile(mineAt, now);
      },
      tryAcquire(lock) {
        const mine = isa.loadAcquire(lock + next);
        if (isa.loadAcquire(gate(lock, mine)) !== mine) return false;
        return isa.compareExchange(lock + next, mine, (mine + 1) | 0) === mine;
      },
      release(lock) {
        const following = (isa.read(lock + owner) + 1) | 0;
        isa.write(lock + owner, following);
        isa.storeWake(gate(lock, following), following);
      },
    };
  },
});
