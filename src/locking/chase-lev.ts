/**
 * Work-stealing deque (Chase and Lev 2005, with a ring that does not grow; orderings after Lê, Pop, Cohen and Zappa Nardelli 2013).
 *
 *   bottom   where the owner puts next; the owner's alone to write
 *   top      where the next is stolen; only grows
 *   ring     the items from top to bottom, 64 at most
 *
 * The owner puts and takes at the bottom, last in, first out, by plain indices; everybody else steals at the top, by a compare-exchange on `top`.
 * Owner and thieves can only meet at the last item: then the owner, too, needs the compare-exchange, and who moves `top` has the item.
 *
 * take announces that it wants the last item by lowering `bottom` and looks at `top` afterwards, a thief moves `top` after it has looked at `bottom`: both
 * in sequentially consistent order (Dekker). So either the thief sees the lower `bottom` and leaves the item alone, or the owner sees the
 * higher `top`. Without that fence the owner's store can wait in its store buffer while it looks, and both have the item.
 *
 * A thief reads its item before it moves `top`: afterwards the owner may put another there. If the compare-exchange fails, the item read is worth nothing
 * and is dropped. steal answers 0 then as well, as for an empty deque: the thief had better look elsewhere.
 *
 * Ordering: an item is written before the release store of `bottom` that shows it, and read after its acquire load.
 */
import { struct, u32, words } from '../memory/index.ts';
import { defineLock } from './define.ts';

const CAPACITY = 64;

/** Layout of a {@link chaseLev} deque. */
export const ChaseLev = struct('chase_lev', {
  bottom: u32.ownLine(),
  top: u32.ownLine(),
  ring: words(CAPACITY).ownLine(),
});

/** Byte offset in the deque of the item at a place. */
export function chaseLevItem(place: number): number {
  return ChaseLev.ring + 4 * (place & (CAPACITY - 1));
}

/** Work-stealing deque of 64 items: its owner puts and takes, everybody else steals. */
export const chaseLev = defineLock({
  name: 'chase-lev',
  kind: 'queue',
  layout: ChaseLev,
  promises: { producers: 1, consumers: 1 },
  create: (isa) => {
    const { bottom, top } = ChaseLev;
    return {
      put(lock, item) {
        const place = isa.readOnce(lock + bottom);
        if (((place - isa.loadAcquire(lock + top)) | 0) >= CAPACITY) return false;
        isa.writeOnce(lock + chaseLevItem(place), item);
        isa.storeRelease(lock + bottom, (place + 1) | 0);
        return true;
      },
      take(lock) {
        const place = (isa.readOnce(lock + bottom) - 1) | 0;
        isa.store(lock + bottom, place);
        const first = isa.load(lock + top);
        const left = (place - first) | 0;
        if (left < 0) {
          isa.storeRelease(lock + bottom, first);
          return 0;
        }
        const item = isa.readOnce(lock + chaseLevItem(place));
        if (left > 0) return item;
        const won = isa.compareExchange(lock + top, first, (first + 1) | 0) === first;
        isa.storeRelease(lock + bottom, (first + 1) | 0);
        return won ? item : 0;
      },
      steal(lock) {
        const first = isa.load(lock + top);
        if (((isa.load(lock + bottom) - first) | 0) <= 0) return 0;
        const item = isa.readOnce(lock + chaseLevItem(first));
        return isa.compareExchange(lock + top, first, (first + 1) | 0) === first ? item : 0;
      },
    };
  },
});
