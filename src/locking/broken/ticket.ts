/** Ticket locks that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { gateOf, Ticket, ticket } from '../ticket.ts';

/** Passes the lock on too early. */
export const earlyRelease = defineMutant(
  ticket,
  {
    name: 'busted/early-release',
    wrong: 'the lock is passed on before its holder has done its last write: the next one enters beside it',
    caughtBy: 'exclusion',
  },
  (_isa, _cpu, ops) => ({
    acquire(lock) {
      ops.acquire(lock);
      ops.release(lock);
    },
    tryAcquire(lock) {
      if (!ops.tryAcquire?.(lock)) return false;
      ops.release(lock);
      return true;
    },
    release() {},
  }),
);

/** Draws without an atomic. */
export const ticketPlainDraw = defineMutant(
  ticket,
  {
    name: 'busted/ticket-plain-draw',
    wrong: 'the ticket is drawn by a read and a write: two CPUs draw the same one',
    caughtBy: 'exclusion',
  },
  (isa) => ({
    acquire(lock) {
      const mine = isa.readOnce(lock + Ticket.next);
      isa.writeOnce(lock + Ticket.next, (mine + 1) | 0);
      isa.queued(lock);
      const gate = lock + gateOf(mine);
      let now = isa.loadAcquire(gate);
      while (now !== mine) now = isa.spinWhile(gate, now);
    },
  }),
);

/** Draws a ticket and walks away. */
export const ticketTrylockDraws = defineMutant(
  ticket,
  {
    name: 'busted/ticket-trylock-draws',
    wrong:
      'a tryAcquire that fails has drawn a ticket all the same: its turn comes and nobody is there to pass it on',
    caughtBy: 'progress',
  },
  (isa) => ({
    tryAcquire(lock) {
      const mine = isa.fetchAdd(lock + Ticket.next, 1);
      return isa.loadAcquire(lock + gateOf(mine)) === mine;
    },
  }),
);
