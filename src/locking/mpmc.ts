/**
 * Bounded queue for many producers and many consumers (Vyukov 2010).
 *
 *   tail, head   places where the next is put, and taken; they only grow, modulo 2^32
 *   slots[p % capacity]   turn: p = may be filled by the one who puts at p, p + 1 = may be emptied by the one who takes at p        value
 *
 * put looks whether it is the turn of its place, draws the place by a compare-exchange on `tail`, writes the value, and passes the turn to take;
 * take does the same on `head` and passes the turn to the put of the next lap, p + capacity. A slot whose turn is behind means full, or
 * empty: the answer is given at once, nothing blocks. Producers meet each other on `tail`, consumers on `head`, the two sides
 * only on the slot that passes from one to the other.
 *
 * The turn counts laps, so a CPU that was stopped between its look and its draw cannot mistake the slot of a later lap for the one that it saw: `tail`
 * has moved then, and comes back to the same place only after 2^32 puts. First in, first out, in the order of the draws. A CPU that is stopped
 * between its draw and the turn holds up those behind it: the queue is not lock-free.
 *
 * Ordering: the value is written before the release store of the turn that lets the other side see it, and read after its acquire load.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { LINE, struct, u32 } from '../memory/index.ts';
import { defineLock, type LockDefinition } from './define.ts';
import type { QueueOps } from './kinds.ts';

/** Layout of the head of an {@link mpmc} queue; the slots follow, a line each. */
export const Mpmc = struct('mpmc', { tail: u32.ownLine(), head: u32.ownLine() });
/** Layout of a slot. */
export const MpmcSlot = struct('mpmc_slot', { turn: u32, value: u32 });

const HEAD = 2 * LINE;
const CAPACITY = 64;

/** Byte offset in a queue of `capacity` slots of the slot of a place. */
export function mpmcSlot(place: number, capacity: number): number {
  return HEAD + LINE * (place & (capacity - 1));
}

function mpmcOps(isa: Isa, capacity: number): QueueOps {
  const { tail, head } = Mpmc;
  const { turn, value } = MpmcSlot;

  /** Draws a place of `end` whose slot's turn is `ahead` of it. @returns undefined where that turn is still to come */
  function draw(lock: Addr, end: Addr, ahead: number): number | undefined {
    let place = isa.readOnce(end);
    for (;;) {
      const behind = (isa.loadAcquire(lock + mpmcSlot(place, capacity) + turn) - place - ahead) | 0;
      if (behind < 0) return undefined;
      if (behind > 0) {
        place = isa.readOnce(end);
        continue;
      }
      const now = isa.compareExchange(end, place, (place + 1) | 0);
      if (now === place) return place;
      place = now;
    }
  }

  return {
    put(lock, item) {
      const place = draw(lock, lock + tail, 0);
      if (place === undefined) return false;
      const slot = lock + mpmcSlot(place, capacity);
      isa.write(slot + value, item);
      isa.storeRelease(slot + turn, (place + 1) | 0);
      return true;
    },
    take(lock) {
      const place = draw(lock, lock + head, 1);
      if (place === undefined) return 0;
      const slot = lock + mpmcSlot(place, capacity);
      const item = isa.read(slot + value);
      isa.storeRelease(slot + turn, (place + capacity) | 0);
      return item;
    },
  };
}

/** A queue with so many slots, a power of two. */
export function mpmcQueue(name: string, capacity: number): LockDefinition<'queue'> {
  return defineLock({
    name,
    kind: 'queue',
    layout: Mpmc,
    size: HEAD + LINE * capacity,
    promises: { fifo: true },
    init(isa, lock) {
      for (let place = 0; place < capacity; place += 1) isa.store(lock + mpmcSlot(place, capacity), place);
    },
    create: (isa) => mpmcOps(isa, capacity),
  });
}

/** Bounded queue of 64 slots, many producers, many consumers: FIFO. */
export const mpmc = mpmcQueue('mpmc', CAPACITY);
