/**
 * Deliberately broken engines. Each breaks one promise as a real engine could; the table in sharpness.test.ts
 * names the row that must notice.
 *
 * The ones that reorder do in software what a weaker processor does: keep a store back past the next one,
 * perform a load ahead of its turn, perform a store before the load in front of it. The latter two need to
 * know addresses before they are asked, and take them from the stride of the litmus instances: a guess that
 * is wrong does no harm.
 */
import type { Addr, Isa } from '../../src/arch/index.ts';

type Mutable = { -readonly [Key in keyof Isa]: Isa[Key] };

/** The engine to break, and where it runs. */
export interface MutationHost {
  readonly isa: Mutable;
  readonly cpu: number;
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** Breaks an engine in place. */
export type Mutation = (host: MutationHost) => void;
type Rmw = (addr: Addr, operand: number) => number;

const nonAtomic =
  (
    name: 'fetchAdd' | 'fetchAnd' | 'fetchOrRelease' | 'fetchXorRelaxed' | 'exchangeAcquire',
    apply: Rmw,
  ): Mutation =>
  ({ isa }) => {
    isa[name] = (addr, operand) => {
      const old = isa.load(addr);
      isa.store(addr, apply(old, operand));
      return old;
    };
  };

/** Keeps `writeOnce` back until the CPU writes again; operations named in `drains` perform it first. */
const keepsStoresBack =
  (...drains: readonly ('wmb' | 'storeRelease' | 'mb' | 'store')[]): Mutation =>
  ({ isa }) => {
    const perform = isa.writeOnce;
    let kept: Addr = 0;
    let keptValue = 0;
    const drain = (): void => {
      if (kept !== 0) perform(kept, keptValue);
      kept = 0;
    };
    const { writeOnce: _, ...before } = isa;
    isa.writeOnce = (addr, value) => {
      if (kept === 0) {
        kept = addr;
        keptValue = value;
        return;
      }
      perform(addr, value);
      drain();
    };
    for (const name of ['store', 'storeRelease'] as const) {
      isa[name] = (addr, value) => {
        if (drains.includes(name)) drain();
        before[name](addr, value);
        drain();
      };
    }
    for (const name of ['wmb', 'mb'] as const) {
      isa[name] = () => {
        if (drains.includes(name)) drain();
        before[name]();
      };
    }
  };

/** Performs the `readOnce` that follows a `loadAcquire` before it. */
const loadsAhead: Mutation = ({ isa }) => {
  const { loadAcquire, readOnce } = isa;
  let asked: Addr = 0;
  let distance = 0;
  let guess: Addr = 0;
  let ahead = 0;
  isa.loadAcquire = (addr) => {
    asked = addr;
    guess = addr + distance;
    ahead = readOnce(guess);
    return loadAcquire(addr);
  };
  isa.readOnce = (addr) => {
    distance = addr - asked;
    return addr === guess ? ahead : readOnce(addr);
  };
};

/** Performs the `storeRelease` that follows a `loadAcquire` before it. */
const storesAhead: Mutation = ({ isa }) => {
  const { loadAcquire, storeRelease } = isa;
  let asked: Addr = 0;
  let distance = 0;
  let value = 0;
  let guess: Addr = 0;
  isa.loadAcquire = (addr) => {
    asked = addr;
    guess = distance === 0 ? 0 : addr + distance;
    if (guess !== 0) storeRelease(guess, value);
    return loadAcquire(addr);
  };
  isa.storeRelease = (addr, now) => {
    distance = addr - asked;
    if (addr !== guess || now !== value) storeRelease(addr, now);
    value = now;
  };
};

/** The engines with broken accesses, by name. */
export const accessMutants = {
  'fetchAdd loads, then stores': nonAtomic('fetchAdd', (old, operand) => old + operand),
  'fetchAnd loads, then stores': nonAtomic('fetchAnd', (old, operand) => old & operand),
  'fetchOrRelease loads, then stores': nonAtomic('fetchOrRelease', (old, operand) => old | operand),
  'fetchXorRelaxed loads, then stores': nonAtomic('fetchXorRelaxed', (old, operand) => old ^ operand),
  'exchangeAcquire loads, then stores': nonAtomic('exchangeAcquire', (_old, operand) => operand),
  'compareExchangeRelease compares, then stores': ({ isa }) => {
    isa.compareExchangeRelease = (addr, expected, value) => {
      const old = isa.load(addr);
      if (old === expected) isa.store(addr, value);
      return old;
    };
  },

  'fetchAddRelaxed answers the new value': ({ isa }) => {
    isa.fetchAddRelaxed = (addr, operand) => (isa.fetchAdd(addr, operand) + operand) | 0;
  },
  'fetchXorAcquire is fetchOr': ({ isa }) => {
    isa.fetchXorAcquire = isa.fetchOr;
  },
  'load answers unsigned': ({ isa }) => {
    const { load } = isa;
    isa.load = (addr) => load(addr) >>> 0;
  },
  'compareExchange answers whether it stored': ({ isa }) => {
    const { compareExchange } = isa;
    isa.compareExchange = (addr, expected, value) =>
      compareExchange(addr, expected, value) === expected ? 1 : 0;
  },
  'compareExchangeRelaxed does not know unsigned values': ({ isa }) => {
    const { compareExchange } = isa;
    isa.compareExchangeRelaxed = (addr, expected, value) =>
      isa.load(addr) === expected ? compareExchange(addr, expected, value) : isa.load(addr);
  },
  'readOnce clamps its address': ({ isa, words }) => {
    const { readOnce } = isa;
    isa.readOnce = (addr) => readOnce(Math.min(addr >>> 0, words.byteLength - 4));
  },

  'store is a plain store': ({ isa }) => {
    isa.store = isa.writeOnce;
  },
  'storeWake stores with release only': (host) => {
    const { isa } = host;
    isa.storeWake = (addr, value) => {
      isa.writeOnce(addr, value);
      isa.wake(addr, -1);
    };
  },
  'mb does nothing': ({ isa }) => {
    isa.mb = () => {};
  },
  'a read-modify-write is no barrier': ({ isa }) => {
    isa.fetchAdd = (addr, operand) => {
      const old = isa.readOnce(addr);
      isa.writeOnce(addr, old + operand);
      return old;
    };
  },
  'stores pass stores, storeRelease': keepsStoresBack('wmb', 'mb', 'store'),
  'stores pass stores, wmb': keepsStoresBack('storeRelease', 'mb', 'store'),
  'stores pass stores, mb': keepsStoresBack('storeRelease', 'wmb', 'store'),
  'loads pass loads': loadsAhead,
  'stores pass loads': storesAhead,
  'readOnce is hoisted': ({ isa }) => {
    const { readOnce } = isa;
    let known: Addr = 0;
    let value = 0;
    let times = 0;
    isa.readOnce = (addr) => {
      if (addr !== known || times < 1000) {
        times = addr === known ? times + 1 : 0;
        known = addr;
        value = readOnce(addr);
      }
      return value;
    };
  },
  'writeOnce is fused': ({ isa }) => {
    const { writeOnce } = isa;
    let last: Addr = 0;
    isa.writeOnce = (addr, value) => {
      if (addr !== last) writeOnce(addr, value);
      last = addr;
    };
  },
  'readOnce goes back in time': ({ isa }) => {
    const { readOnce } = isa;
    let known: Addr = 0;
    let before = 0;
    isa.readOnce = (addr) => {
      const old = before;
      const again = addr === known;
      before = readOnce(addr);
      known = addr;
      return again ? Math.min(old, before) - 1 : before;
    };
  },
} as const satisfies Record<string, Mutation>;
