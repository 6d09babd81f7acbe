/**
 * Deliberately broken engines, continued: waiting and waking. The broken accesses are in mutants.ts.
 */
import { BLOCKED_SPIN, parkersOf, WaitRecord } from '../../src/arch/index.ts';
import { cpuArea } from '../../src/memory/index.ts';
import type { Mutation, MutationHost } from './mutants.ts';

/** Lets time pass, as a preemption would. */
function linger({ words }: MutationHost, loads: number): void {
  for (let left = loads; left > 0; left -= 1) Atomics.load(words, 0);
}

/** The engines with broken waiting, by name. */
export const waitingMutants = {
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
  /**
   * A notify wakes all, and all but the latest comer go back to sleep; the stack of waiters lies behind the
   * word.
   */
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
    const storeWake = isa.storeWake.bind(isa);
    let times = 0;
    isa.storeWake = (addr, value) => {
      times += 1;
      if (times % 1000 === 0) isa.store(addr, value);
      else storeWake(addr, value);
    };
  },
  'storeWakeOne forgets the wake': ({ isa }) => {
    isa.storeWakeOne = isa.store;
  },
  'wake does nothing': ({ isa }) => {
    isa.wake = () => {};
  },
  'wake answers how many it woke': ({ isa }) => {
    isa.wake = (addr, count) => isa.notify(addr, count);
  },
  'storeWake wakes one of many': ({ isa }) => {
    isa.storeWake = (addr, value) => isa.storeWakeOne(addr, value);
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
  'spinBriefly answers what it waited for': ({ isa }) => {
    isa.spinBriefly = (_addr, value) => value | 0;
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
