/**
 * Deliberately broken engines. Each breaks one promise as a real engine could; the table in sharpness.test.ts names the row that must notice.
 *
 * The ones that reorder do in software what a weaker processor does: keep a store back past the next one, perform a load ahead of its turn,
 * perform a store before the load in front of it. The latter two need to know addresses before they are asked, and take them from the stride of
 * the litmus instances: a guess that is wrong does no harm.
 */
import { type Addr, BLOCKED_SPIN, type Isa, parkersOf, WaitRecord } from '../../src/arch/index.ts';
import { cpuArea } from '../../src/memory/index.ts';

type Mutable = { -readonly [Key in keyof Isa]: Isa[Key] };

interface Host {
  readonly isa: Mutable;
  readonly cpu: number;
  readonly words: Int32Array<SharedArrayBuffer>;
}

type Mutation = (host: Host) => void;
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

/** Lets time pass, as a preemption would. */
function linger({ words }: Host, loads: number): void {
  for (let left = loads; left > 0; left -= 1) Atomics.load(words, 0);
}

/** The broken engines by name. */
export const mutants = {
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

  'wait does not compare': ({ isa, words }) => {
    isa.wait = (addr, _value, timeout) => {
      const result = Atomics.wait(words, addr >>> 2, isa.load(addr), (timeout ?? 1e7) / 1e6);
      return result === 'ok' ? 0 : result === 'timed-out' ? 2 : 1;
    };
  },
  'wait mistakes its timeout for a wake-up': ({ isa }) => {
    const wait = isa.wait.bind(isa);
    isa.wait = (addr, value, timeout) => wait(addr, value, timeout) & 1;
  },
  'wait spins until the word changes': ({ isa }) => {
    isa.wait = (addr, value) => {
      isa.spinWhile(addr, value);
      return 0;
    };
  },
  'notify wakes everybody': ({ isa }) => {
    const { notify } = isa;
    isa.notify = (addr) => notify(addr, -1);
  },
  'notify miscounts': ({ isa }) => {
    const { notify } = isa;
    isa.notify = (addr, count) => {
      notify(addr, count);
      return Math.max(0, count);
    };
  },
  'notify wakes the neighbours': ({ isa }) => {
    const { notify } = isa;
    isa.notify = (addr, count) => notify(addr, count) + notify(addr ^ 64, count);
  },
  /** A notify wakes all, and all but the latest comer go back to sleep; the stack of waiters lies behind the word. */
  'notify serves the latest comer first': ({ isa, words }) => {
    const { notify } = isa;
    const wait = isa.wait.bind(isa);
    isa.wait = (addr, value) => {
      const top = (addr >>> 2) + 1;
      const grants = top + 1;
      const mine = Atomics.add(words, top, 1) + 1;
      while (Atomics.load(words, grants) >= 0) {
        if (Atomics.load(words, top) === mine && Atomics.compareExchange(words, grants, 1, 0) === 1) break;
        wait(addr, value, 1e6);
      }
      Atomics.sub(words, top, 1);
      return 0;
    };
    isa.notify = (addr, count) => {
      Atomics.store(words, (addr >>> 2) + 2, count < 0 ? -1 : 1);
      notify(addr, -1);
      return count < 0 ? 0 : 1;
    };
  },

  'storeWake forgets the wake': ({ isa }) => {
    isa.storeWake = isa.store;
  },
  'storeWake forgets one wake in a thousand': ({ isa }) => {
    const { store, storeWake } = isa;
    let times = 0;
    isa.storeWake = (addr, value) => {
      times += 1;
      if (times % 1000 === 0) store(addr, value);
      else storeWake(addr, value);
    };
  },
  'wake does nothing': ({ isa }) => {
    isa.wake = () => {};
  },
  'wake answers how many it woke': ({ isa }) => {
    isa.wake = (addr, count) => isa.notify(addr, count);
  },
  'storeWake wakes one of many': ({ isa }) => {
    isa.storeWake = (addr, value) => {
      isa.store(addr, value);
      isa.wake(addr, 1);
    };
  },
  'wake looks at the counter before the store': (host) => {
    const { isa } = host;
    isa.storeWake = (addr, value) => {
      const parked = isa.load(parkersOf(addr));
      linger(host, 40);
      isa.store(addr, value);
      if (parked !== 0) isa.notify(addr, -1);
    };
  },
  'wake looks at the counter of another word': ({ isa }) => {
    isa.storeWake = (addr, value) => {
      isa.store(addr, value);
      if (isa.load(parkersOf(addr ^ 64)) !== 0) isa.notify(addr, -1);
    };
  },
  'spinWhile returns too early': ({ isa }) => {
    const spinWhile = isa.spinWhile.bind(isa);
    let times = 0;
    isa.spinWhile = (addr, value) => {
      times += 1;
      return times % 500 === 0 ? isa.load(addr) : spinWhile(addr, value);
    };
  },
  'spinWhile answers what it waited for': ({ isa }) => {
    const spinWhile = isa.spinWhile.bind(isa);
    isa.spinWhile = (addr, value) => {
      spinWhile(addr, value);
      return value;
    };
  },
  'spinWhile does not know unsigned values': ({ isa }) => {
    const spinWhile = isa.spinWhile.bind(isa);
    isa.spinWhile = (addr, value) => {
      const now = isa.load(addr);
      return now === value ? spinWhile(addr, value) : now;
    };
  },
  'the wait record outlives the wait': ({ isa, cpu, words }) => {
    const spinWhile = isa.spinWhile.bind(isa);
    isa.spinWhile = (addr, value) => {
      const now = spinWhile(addr, value);
      Atomics.store(words, (cpuArea(cpu) + WaitRecord.blocked) >>> 2, BLOCKED_SPIN);
      return now;
    };
  },
  'spinWhileAny answers the first pair': ({ isa }) => {
    const spinWhileAny = isa.spinWhileAny.bind(isa);
    isa.spinWhileAny = (pairs) => spinWhileAny(pairs) * 0;
  },
  'spinWhileAny watches the first pair only': ({ isa }) => {
    isa.spinWhileAny = (pairs) => {
      isa.spinWhile(pairs[0]!, pairs[1]!);
      return 0;
    };
  },
  'spinWhile parks whatever its policy': ({ isa }) => {
    isa.spinWhile = (addr, value) => {
      for (;;) {
        isa.wait(addr, value, 2e6);
        const now = isa.load(addr);
        if (now !== value) return now;
      }
    };
  },
  'a parked CPU stays counted': ({ isa }) => {
    const spinWhile = isa.spinWhile.bind(isa);
    let times = 0;
    isa.spinWhile = (addr, value) => {
      times += 1;
      if (times === 100) isa.fetchAdd(parkersOf(addr), 1);
      return spinWhile(addr, value);
    };
  },
} as const satisfies Record<string, Mutation>;

/** The name of a broken engine. */
export type MutantName = keyof typeof mutants;
