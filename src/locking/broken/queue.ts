/** Queues and deques that are broken on purpose. */
import type { Addr } from '../../arch/index.ts';
import { ChaseLev, chaseLev, chaseLevItem } from '../chase-lev.ts';
import { defineMutant } from '../define.ts';
import { Mpmc, MpmcSlot, mpmcQueue, mpmcSlot } from '../mpmc.ts';
import { Spsc, spsc } from '../spsc.ts';

const FEW = 4;

/** No laps. */
export const mpmcAba = defineMutant(
  mpmcQueue('mpmc', FEW),
  {
    name: 'busted/mpmc-aba',
    wrong:
      'places are counted modulo the capacity and a slot says only whether it is full: who was stopped between its look and its draw finds the same place a lap later, and overwrites or takes what it never looked at (ABA)',
    caughtBy: 'counts',
    promises: { fifo: false },
    init: (isa, lock) => isa.store(lock + Mpmc.tail, 0),
  },
  (isa) => {
    function draw(lock: Addr, end: Addr, full: number): Addr {
      for (;;) {
        const place = isa.load(end);
        const slot = lock + mpmcSlot(place, FEW);
        if (isa.load(slot + MpmcSlot.turn) !== full) return 0;
        if (isa.compareExchange(end, place, (place + 1) & (FEW - 1)) === place) return slot;
      }
    }
    return {
      put(lock, item) {
        const slot = draw(lock, lock + Mpmc.tail, 0);
        if (slot === 0) return false;
        isa.write(slot + MpmcSlot.value, item);
        isa.storeRelease(slot + MpmcSlot.turn, 1);
        return true;
      },
      take(lock) {
        const slot = draw(lock, lock + Mpmc.head, 1);
        if (slot === 0) return 0;
        const item = isa.read(slot + MpmcSlot.value);
        isa.storeRelease(slot + MpmcSlot.turn, 0);
        return item;
      },
    };
  },
);

/** Gives the place back too early. */
export const spscGivesBackFirst = defineMutant(
  spsc,
  {
    name: 'busted/spsc-gives-back-first',
    wrong: 'take moves head before it reads the value: a producer that waited for the place overwrites it',
    caughtBy: 'counts',
    promises: { fifo: false },
  },
  (isa) => ({
    take(lock) {
      const place = isa.readOnce(lock + Spsc.head);
      if (place === isa.loadAcquire(lock + Spsc.tail)) return 0;
      isa.storeRelease(lock + Spsc.head, (place + 1) | 0);
      return isa.read(lock + Spsc.ring + 4 * (place & 255));
    },
  }),
);

/** No fence. */
export const chaseLevUnfenced = defineMutant(
  chaseLev,
  {
    name: 'busted/chase-lev-unfenced',
    wrong:
      'take has no fence between lowering bottom and looking at top, and so looks first, as processor and compiler then may: an item that thieves have reached meanwhile is taken without asking them',
    caughtBy: 'counts',
  },
  (isa) => ({
    take(lock) {
      const place = (isa.readOnce(lock + ChaseLev.bottom) - 1) | 0;
      const first = isa.readOnce(lock + ChaseLev.top);
      isa.writeOnce(lock + ChaseLev.bottom, place);
      const left = (place - first) | 0;
      if (left < 0) {
        isa.storeRelease(lock + ChaseLev.bottom, first);
        return 0;
      }
      const item = isa.readOnce(lock + chaseLevItem(place));
      if (left > 0) return item;
      const won = isa.compareExchange(lock + ChaseLev.top, first, (first + 1) | 0) === first;
      isa.storeRelease(lock + ChaseLev.bottom, (first + 1) | 0);
      return won ? item : 0;
    },
  }),
);
