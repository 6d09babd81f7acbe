/**
 * How a section is entered and left, for each kind of lock that excludes. A mutex is taken for reads as for writes; a sequence lock's reader does its section
 * again when a writer disturbed it.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { AnyLock } from '../../src/locking/define.ts';
import type { Kind, MutexOps, OpsByKind, RwOps, SemaphoreOps, SeqOps } from '../../src/locking/kinds.ts';

/** One way into a section. */
export interface Pair {
  /** @returns what `leave` must be given */
  enter(lock: Addr): number;
  /** @returns whether the section must be done again */
  leave(lock: Addr, token: number): boolean;
}

/** Both ways. */
export interface Pairs {
  readonly write: Pair;
  readonly read: Pair;
}

function mutexPairs(ops: MutexOps): Pairs {
  const write: Pair = {
    enter(lock) {
      ops.acquire(lock);
      return 0;
    },
    leave(lock) {
      ops.release(lock);
      return false;
    },
  };
  return { write, read: write };
}

function semaphorePairs(ops: SemaphoreOps): Pairs {
  return mutexPairs({ acquire: (lock) => ops.acquire(lock, 1), release: (lock) => ops.release(lock, 1) });
}

function rwPairs(ops: RwOps): Pairs {
  return {
    write: {
      enter(lock) {
        ops.acquireWrite(lock);
        return 0;
      },
      leave(lock) {
        ops.releaseWrite(lock);
        return false;
      },
    },
    read: {
      enter(lock) {
        ops.acquireRead(lock);
        return 0;
      },
      leave(lock) {
        ops.releaseRead(lock);
        return false;
      },
    },
  };
}

function seqPairs(ops: SeqOps): Pairs {
  return {
    write: {
      enter(lock) {
        ops.writeBegin(lock);
        return 0;
      },
      leave(lock) {
        ops.writeEnd(lock);
        return false;
      },
    },
    read: { enter: (lock) => ops.readBegin(lock), leave: (lock, token) => ops.readRetry(lock, token) },
  };
}

const PAIRS: Partial<Record<Kind, (ops: never) => Pairs>> = {
  mutex: mutexPairs as (ops: never) => Pairs,
  rwlock: rwPairs as (ops: never) => Pairs,
  rwsem: rwPairs as (ops: never) => Pairs,
  seq: seqPairs as (ops: never) => Pairs,
  semaphore: semaphorePairs as (ops: never) => Pairs,
};

/** The kinds that a sweep measures. */
export const SWEPT: readonly Kind[] = [...(Object.keys(PAIRS) as Kind[]), 'async-mutex'];

/** The ways into the sections of a lock. @throws RangeError when it has none */
export function pairsOf<K extends Kind>(kind: K, ops: OpsByKind[K]): Pairs {
  const make = PAIRS[kind];
  if (make === undefined) throw new RangeError(`a ${kind} has no sections`);
  return make(ops as never);
}

/** Why a lock cannot be measured on so many CPUs; undefined where it can. */
export function cannot({ kind, name, promises }: AnyLock, cpus: number): string | undefined {
  if (!SWEPT.includes(kind)) return `${name} is a ${kind}, which keeps nobody out of a section`;
  if (promises.writers === 1 && cpus > 1)
    return `${name} leaves it to its users to keep writers apart, by a lock of theirs`;
  return undefined;
}
