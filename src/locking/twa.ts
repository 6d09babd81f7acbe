/**
 * Ticket lock augmented with a waiting array (Dice and Kogan 2019).
 *
 * next: the ticket the next comer draws        owner: the ticket that is inside        array[t % 64]: changes when ticket t may come near
 *
 * The trouble of a ticket lock is that all its waiters look at one word. Here only the next in line does; who draws a ticket further back waits
 * on the word of the array that its ticket hashes to, and comes near when that changes. So a release touches the word that one CPU
 * waits on, as in a queue lock, but there are no nodes, and a free lock costs what a ticket lock costs.
 *
 * release makes the next ticket the owner and then, for the ticket after that, adds 1 to its word of the array. The paper's array is one for all
 * locks of a process; here each lock has its own, of 64 words, so that a lock stays where it is put. More than 64 waiters share
 * words, which costs idle wake-ups and nothing else: who is woken looks again at how far the owner has come.
 *
 * No wake-up is lost. A waiter reads its word of the array first, then `owner`, and waits only while the word is what it read: an addition
 * after that read ends the wait, and before it, since `owner` is stored before the addition, the waiter sees that owner. A release may skip
 * the addition if `next` shows that nobody has drawn that ticket: it stores `owner` before it reads `next`, a waiter draws before it reads
 * `owner`, all sequentially consistent, so one of the two sees the other (Dekker).
 *
 * FIFO by construction. Tickets wrap at 2^32, a multiple of the array's length.
 *
 * Ordering: the acquire load of `owner` pairs with the store in release.
 */
import type { Addr } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import { defineLock } from './define.ts';

const WORDS = 64;
/** Who is at most this far from the owner waits on `owner` itself. */
const NEAR = 1;

/** Layout of a {@link twa} lock. */
export const Twa = struct('twa', {
  next: u32.ownLine(),
  owner: u32.ownLine(),
  array: words(WORDS).ownLine(),
});

/** Ticket lock with a waiting array: FIFO. */
export const twa = defineLock({
  name: 'twa',
  kind: 'mutex',
  layout: Twa,
  promises: { fifo: true, spins: true },
  create: (isa) => {
    const { next, owner, array } = Twa;
    const slot = (lock: Addr, ticket: number): Addr => lock + array + 4 * (ticket & (WORDS - 1));

    function waitFor(lock: Addr, mine: number): void {
      const far = slot(lock, mine);
      for (;;) {
        const seen = isa.loadAcquire(far);
        if (((mine - isa.load(lock + owner)) | 0) <= NEAR) break;
        isa.spinWhile(far, seen);
      }
      let now = isa.loadAcquire(lock + owner);
      while (now !== mine) now = isa.spinWhile(lock + owner, now);
    }

    return {
      acquire(lock) {
        const mine = isa.fetchAdd(lock + next, 1);
        isa.queued(lock);
        if (isa.load(lock + owner) !== mine) waitFor(lock, mine);
      },
      tryAcquire(lock) {
        const mine = isa.loadAcquire(lock + next);
        if (isa.loadAcquire(lock + owner) !== mine) return false;
        return isa.compareExchange(lock + next, mine, (mine + 1) | 0) === mine;
      },
      release(lock) {
        const following = (isa.readOnce(lock + owner) + 1) | 0;
        isa.storeWake(lock + owner, following);
        const nearing = (following + NEAR) | 0;
        if (((isa.load(lock + next) - nearing) | 0) <= 0) return;
        isa.fetchAdd(slot(lock, nearing), 1);
        isa.wake(slot(lock, nearing), -1);
      },
    };
  },
});
