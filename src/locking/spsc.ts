/**
 * Ring for one producer and one consumer (Lamport 1983), each with a copy of the other's index (as in WeakRB, Lê, Guatto, Cohen and Pop 2013).
 *
 *   tail, known_head   the producer's line: how much was put, and how much it knows to be taken
 *   head, known_tail   the consumer's line: how much was taken, and how much it knows to be put
 *   ring               the values, 256
 *
 * Nobody else writes either index, so there is no read-modify-write at all: put writes the value and then `tail`, take reads the value and then writes
 * `head`. Each looks at the other's index only when, by what it knows, the ring is full, or empty: as long as the two are apart, the
 * lines of the indices stay where they are, and only those of the values move.
 *
 * More than one CPU may use either end in turn, if what passes the turn from one to the next also orders their accesses.
 *
 * Ordering: the value is written before the release store of `tail` that shows it, and read after the acquire load of it; it is read before the
 * release store of `head` that gives its place back, which the producer reads with acquire before it writes there again.
 */
import { struct, u32, words } from '../memory/index.ts';
import { defineLock } from './define.ts';

const CAPACITY = 256;

/** Layout of an {@link spsc} ring. */
export const Spsc = struct('spsc', {
  tail: u32.ownLine(),
  known_head: u32,
  head: u32.ownLine(),
  known_tail: u32,
  ring: words(CAPACITY).ownLine(),
});

/** Ring of 256 values, one producer, one consumer: FIFO, no read-modify-write. */
export const spsc = defineLock({
  name: 'spsc',
  kind: 'queue',
  layout: Spsc,
  promises: { fifo: true, producers: 1, consumers: 1, capacity: CAPACITY },
  create: (isa) => {
    const { tail, known_head, head, known_tail, ring } = Spsc;
    const slot = (place: number): number => ring + 4 * (place & (CAPACITY - 1));
    return {
      put(lock, item) {
        const place = isa.readOnce(lock + tail);
        if (((place - isa.read(lock + known_head)) | 0) >= CAPACITY) {
          const now = isa.loadAcquire(lock + head);
          isa.write(lock + known_head, now);
          if (((place - now) | 0) >= CAPACITY) return false;
        }
        isa.write(lock + slot(place), item);
        isa.storeRelease(lock + tail, (place + 1) | 0);
        return true;
      },
      take(lock) {
        const place = isa.readOnce(lock + head);
        if (place === isa.read(lock + known_tail)) {
          const now = isa.loadAcquire(lock + tail);
          isa.write(lock + known_tail, now);
          if (place === now) return 0;
        }
        const item = isa.read(lock + slot(place));
        isa.storeRelease(lock + head, (place + 1) | 0);
        return item;
      },
    };
  },
});
