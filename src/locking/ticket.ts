/**
 * Ticket lock (Reed and Kanodia 1979; Linux 2.6.25 to 4.1).
 *
 * next: the ticket the next comer draws        owner: the ticket that may enter
 *
 * acquire draws a ticket with a full-barrier add and waits until `owner` shows it; release passes `owner` on. FIFO by construction, so a
 * preempted waiter stalls everyone behind it: with more CPUs than cores prefer a lock that lets others pass.
 *
 * Ordering: the acquire load of `owner` pairs with the store in release, so a critical section sees its predecessor's writes. Only the holder
 * writes `owner`; its own read of it may be plain.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link ticket} lock. */
export const Ticket = struct('ticket', { next: u32, owner: u32.ownLine() });

/** Ticket lock: FIFO, two lines. */
export const ticket = defineLock({
  name: 'ticket',
  kind: 'mutex',
  layout: Ticket,
  promises: { fifo: true },
  create: (isa) => ({
    acquire(lock) {
      const mine = isa.fetchAdd(lock + Ticket.next, 1);
      isa.queued(lock);
      let now = isa.loadAcquire(lock + Ticket.owner);
      while (now !== mine) now = isa.spinWhile(lock + Ticket.owner, now);
    },
    tryAcquire(lock) {
      const now = isa.loadAcquire(lock + Ticket.owner);
      return isa.compareExchange(lock + Ticket.next, now, (now + 1) | 0) === now;
    },
    release(lock) {
      isa.storeWake(lock + Ticket.owner, (isa.read(lock + Ticket.owner) + 1) | 0);
    },
  }),
});
