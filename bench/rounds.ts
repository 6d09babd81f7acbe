/**
 * What a round is, for each kind of lock: the loop that is measured. The twin of peers.c's: acquire, one
 * plain increment, release.
 *
 *   pair      acquire, increment, release of a mutex; hold(increment) of an async one; one permit of a semaphore
 *   write     the same of a writer
 *   read      a reader's pair around a plain read; of a seqlock, around four words
 *   signal    of a condition nobody waits on
 *   monitor   the pair of a lock that is made of a condition, a mutex and a word
 *   meet      a barrier, until all have come
 *   transfer  one item through a queue: put and taken by the same CPU alone and where all may do both; else CPU 0 puts and CPU 1 takes or steals
 *   pass      a completion, completed (for one where that can be, else for all) and waited for
 *
 * A loop is made once in a worker, by a factory: V8 then knows the operations as constants of the one closure
 * there is, and inlines them. A worker runs one loop over one lock through one engine, because code that has
 * seen two shapes is slower for good.
 */
import type { Addr, Isa } from '../src/arch/index.ts';
import type { AnyLock } from '../src/locking/define.ts';
import type {
  BarrierOps,
  CompletionOps,
  ConditionOps,
  HazardOps,
  Kind,
  MutexOps,
  OpsByKind,
  QueueOps,
  RcuOps,
  RwOps,
  SemaphoreOps,
  SeqOps,
} from '../src/locking/kinds.ts';

/** The forms of a round. */
export type Form = 'pair' | 'read' | 'write' | 'signal' | 'monitor' | 'meet' | 'pass' | 'transfer' | 'grace';

/** Does `n` rounds; a promise only for async locks. */
export type Rounds = (n: number) => void | Promise<void>;

/** What a loop works on. */
export interface RoundsOn {
  readonly isa: Isa;
  readonly lock: Addr;
  /**
   * The word that is incremented, on a line of its own; the three words after it are read, too, by readers of
   * a seqlock.
   */
  readonly counter: Addr;
  /** The mutex of a condition and its address. */
  readonly mutex: MutexOps;
  readonly mutexAddr: Addr;
  /** The monitor's word. */
  readonly busy: Addr;
  /** This CPU's number, and whether there is no other. */
  readonly cpu: number;
  readonly alone: boolean;
  /** Where a reader leaves what it has read, so that the reads are not for nothing. */
  readonly sink: Addr;
}

/**
 * What the counter must show after rounds of a form: all of them, none, or one for each meeting of the
 * parties.
 */
export function counterAfter(form: Form, rounds: number, parties: number): number {
  if (form === 'read' || form === 'signal' || form === 'pass' || form === 'transfer' || form === 'grace')
    return 0;
  return form === 'meet' ? rounds / parties : rounds;
}

const FORMS: {
  readonly [K in Kind]: { readonly alone: readonly Form[]; readonly together: readonly Form[] };
} = {
  mutex: { alone: ['pair'], together: ['pair'] },
  rwlock: { alone: ['read', 'write'], together: ['read', 'write'] },
  rwsem: { alone: ['read', 'write'], together: ['read', 'write'] },
  seq: { alone: ['read', 'write'], together: ['write'] },
  semaphore: { alone: ['pair'], together: ['pair'] },
  condition: { alone: ['signal'], together: ['monitor'] },
  completion: { alone: ['pass'], together: ['pass'] },
  queue: { alone: ['transfer'], together: ['transfer'] },
  rcu: { alone: ['read'], together: ['read', 'grace'] },
  hazard: { alone: ['read'], together: ['read'] },
  barrier: { alone: ['meet'], together: ['meet'] },
  'async-mutex': { alone: ['pair'], together: ['pair'] },
};

/** The forms in which a lock is measured, on one CPU or on several. */
export function formsOf(kind: Kind, where: 'alone' | 'together'): readonly Form[] {
  return FORMS[kind][where];
}

/** What a lock in a form is called: the form only where there are several. */
export function caseName({ name, kind }: AnyLock, form: Form): string {
  const several = formsOf(kind, 'alone').length > 1 || formsOf(kind, 'together').length > 1;
  return several ? `${name} ${form}` : name;
}

function pairs({ isa, lock, counter }: RoundsOn, ops: MutexOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      ops.acquire(lock);
      isa.write(counter, isa.read(counter) + 1);
      ops.release(lock);
    }
  };
}

function permits({ isa, lock, counter }: RoundsOn, ops: SemaphoreOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      ops.acquire(lock, 1);
      isa.write(counter, isa.read(counter) + 1);
      ops.release(lock, 1);
    }
  };
}

function rwWrites({ isa, lock, counter }: RoundsOn, ops: RwOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      ops.acquireWrite(lock);
      isa.write(counter, isa.read(counter) + 1);
      ops.releaseWrite(lock);
    }
  };
}

function rwReads({ isa, lock, counter, sink }: RoundsOn, ops: RwOps): Rounds {
  return (n) => {
    let sum = 0;
    for (let left = n; left > 0; left -= 1) {
      ops.acquireRead(lock);
      sum = (sum + isa.read(counter)) | 0;
      ops.releaseRead(lock);
    }
    isa.write(sink, sum);
  };
}

function seqWrites({ isa, lock, counter }: RoundsOn, ops: SeqOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      ops.writeBegin(lock);
      isa.write(counter, isa.read(counter) + 1);
      ops.writeEnd(lock);
    }
  };
}

function seqReads({ isa, lock, counter, sink }: RoundsOn, ops: SeqOps): Rounds {
  return (n) => {
    let sum = 0;
    for (let left = n; left > 0; left -= 1) {
      let seen: number;
      let seq: number;
      do {
        seq = ops.readBegin(lock);
        seen = isa.read(counter) + isa.read(counter + 4) + isa.read(counter + 8) + isa.read(counter + 12);
      } while (ops.readRetry(lock, seq));
      sum = (sum + seen) | 0;
    }
    isa.write(sink, sum);
  };
}

function signals({ lock }: RoundsOn, ops: ConditionOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) ops.signal(lock);
  };
}

function monitors({ isa, lock, counter, mutex, mutexAddr, busy }: RoundsOn, ops: ConditionOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      mutex.acquire(mutexAddr);
      while (isa.read(busy) !== 0) ops.wait(lock, mutexAddr);
      isa.write(busy, 1);
      mutex.release(mutexAddr);
      isa.write(counter, isa.read(counter) + 1);
      mutex.acquire(mutexAddr);
      isa.write(busy, 0);
      ops.signal(lock);
      mutex.release(mutexAddr);
    }
  };
}

function passes({ lock }: RoundsOn, ops: CompletionOps): Rounds {
  const complete = ops.complete ?? ops.completeAll;
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      complete(lock);
      ops.wait(lock);
    }
  };
}

/** Tries before a CPU gives up on its partner: only after it was told to stop. */
const PATIENCE = 1e6;

function transfers({ lock, cpu, alone }: RoundsOn, ops: QueueOps): Rounds {
  const take = (alone ? undefined : ops.steal?.bind(ops)) ?? ops.take.bind(ops);
  const puts = alone || (cpu & 1) === 0;
  const takes = alone || (cpu & 1) === 1;
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      if (puts) for (let tries = PATIENCE; tries > 0 && !ops.put(lock, left); tries -= 1);
      if (takes) for (let tries = PATIENCE; tries > 0 && take(lock) === 0; tries -= 1);
    }
  };
}

function rcuReads({ isa, lock, counter, sink }: RoundsOn, ops: RcuOps): Rounds {
  return (n) => {
    let sum = 0;
    for (let left = n; left > 0; left -= 1) {
      const token = ops.readLock(lock);
      sum = (sum + isa.read(counter)) | 0;
      ops.readUnlock(lock, token);
    }
    isa.write(sink, sum);
  };
}

/** CPU 0 waits for one grace period after the other, all others go through read sections. */
function gracePeriods({ isa, lock, counter, sink, cpu }: RoundsOn, ops: RcuOps): Rounds {
  if (cpu === 0)
    return (n) => {
      for (let left = n; left > 0; left -= 1) ops.synchronize(lock);
    };
  return (n) => {
    let sum = 0;
    ops.online?.(lock);
    for (let left = n; left > 0; left -= 1) {
      const token = ops.readLock(lock);
      sum = (sum + isa.load(counter)) | 0;
      ops.readUnlock(lock, token);
      ops.quiescent?.(lock);
    }
    ops.offline?.(lock);
    isa.write(sink, sum);
  };
}

function hazardReads({ isa, lock, counter, sink }: RoundsOn, ops: HazardOps): Rounds {
  return (n) => {
    let sum = 0;
    for (let left = n; left > 0; left -= 1) {
      sum = (sum + ops.protect(lock, 0, counter)) | 0;
      ops.clear(lock, 0);
    }
    isa.write(sink, sum);
  };
}

function meetings({ isa, lock, counter }: RoundsOn, ops: BarrierOps): Rounds {
  return (n) => {
    for (let left = n; left > 0; left -= 1) {
      if (ops.wait(lock)) isa.write(counter, isa.read(counter) + 1);
    }
  };
}

function holds({ isa, lock, counter }: RoundsOn, ops: OpsByKind['async-mutex']): Rounds {
  const increment = (): void => isa.write(counter, isa.read(counter) + 1);
  return async (n) => {
    for (let left = n; left > 0; left -= 1) await ops.hold(lock, increment);
  };
}

type Factory = (on: RoundsOn, ops: never) => Rounds;

const LOOPS: { readonly [K in Kind]: Partial<Record<Form, Factory>> } = {
  mutex: { pair: pairs as Factory },
  rwlock: { read: rwReads as Factory, write: rwWrites as Factory },
  rwsem: { read: rwReads as Factory, write: rwWrites as Factory },
  seq: { read: seqReads as Factory, write: seqWrites as Factory },
  semaphore: { pair: permits as Factory },
  condition: { signal: signals as Factory, monitor: monitors as Factory },
  completion: { pass: passes as Factory },
  queue: { transfer: transfers as Factory },
  rcu: { read: rcuReads as Factory, grace: gracePeriods as Factory },
  hazard: { read: hazardReads as Factory },
  barrier: { meet: meetings as Factory },
  'async-mutex': { pair: holds as Factory },
};

/**
 * Makes the loop of a worker; once.
 * @throws RangeError when locks of this kind have no such form
 */
export function roundsOf<K extends Kind>(kind: K, form: Form, on: RoundsOn, ops: OpsByKind[K]): Rounds {
  const factory = LOOPS[kind][form];
  if (factory === undefined) throw new RangeError(`a ${kind} has no form '${form}'`);
  return factory(on, ops as never);
}
