/**
 * Tracking: the operations of a lock, wrapped so that its CPU's area says which locks it waits for and holds. That is what a watchdog needs to
 * name owners and waiters, and what a dead CPU is reported with. Locks themselves stay clean of it, and programs that do not want it call the
 * bare operations.
 *
 * A lock is pushed right after it was acquired and popped right before it is released: an observer may see it held a moment too late, never too
 * long. What the lock is goes with it (traits.ts), for engines that judge how it is used.
 */
import type { Addr } from '../arch/index.ts';
import { type Cpu, MODE_READ, MODE_WRITE, type Tracking } from '../memory/index.ts';
import type {
  BarrierOps,
  CompletionOps,
  ConditionOps,
  Kind,
  MutexOps,
  OpsByKind,
  RcuOps,
  RwOps,
  SemaphoreOps,
  SeqOps,
} from './kinds.ts';
import { traitsOfOps } from './traits.ts';

const nothing = (): void => {};

/** What only those listen to who count. */
type Counted = 'sections' | 'waits';

/** What tracking is told of acquisitions, with what nobody need listen to. */
function listeners({ tracking }: Cpu): Required<Omit<Tracking, Counted>> & Pick<Tracking, Counted> {
  const { acquired, waitsFor } = tracking;
  return { awaits: waitsFor, took: acquired, refused: nothing, ...tracking };
}

function trackMutex(cpu: Cpu, ops: MutexOps, traits: number): MutexOps {
  const { acquired, refused, released, took, waitsFor } = listeners(cpu);
  const write = MODE_WRITE;
  const { tryAcquire } = ops;
  return {
    acquire(lock) {
      waitsFor(lock, write, traits);
      ops.acquire(lock);
      acquired(lock, write, traits);
    },
    ...(tryAcquire && {
      tryAcquire(lock: Addr) {
        if (!tryAcquire.call(ops, lock)) {
          refused(lock, write);
          return false;
        }
        took(lock, write, traits);
        return true;
      },
    }),
    release(lock) {
      released(lock, write, traits);
      ops.release(lock);
    },
  };
}

function trackRw(cpu: Cpu, ops: RwOps, traits: number): RwOps {
  const { acquired, refused, released, took, waitsFor } = listeners(cpu);
  const [read, write] = [MODE_READ, MODE_WRITE];
  const { tryRead, tryWrite, downgrade, tryUpgrade } = ops;
  return {
    acquireRead(lock) {
      waitsFor(lock, read, traits);
      ops.acquireRead(lock);
      acquired(lock, read, traits);
    },
    releaseRead(lock) {
      released(lock, read, traits);
      ops.releaseRead(lock);
    },
    acquireWrite(lock) {
      waitsFor(lock, write, traits);
      ops.acquireWrite(lock);
      acquired(lock, write, traits);
    },
    releaseWrite(lock) {
      released(lock, write, traits);
      ops.releaseWrite(lock);
    },
    ...(tryRead && {
      tryRead(lock: Addr) {
        if (!tryRead.call(ops, lock)) {
          refused(lock, read);
          return false;
        }
        took(lock, read, traits);
        return true;
      },
    }),
    ...(tryWrite && {
      tryWrite(lock: Addr) {
        if (!tryWrite.call(ops, lock)) {
          refused(lock, write);
          return false;
        }
        took(lock, write, traits);
        return true;
      },
    }),
    ...(downgrade && {
      downgrade(lock: Addr) {
        released(lock, write, traits);
        took(lock, read, traits);
        downgrade.call(ops, lock);
      },
    }),
    ...(tryUpgrade && {
      tryUpgrade(lock: Addr) {
        if (!tryUpgrade.call(ops, lock)) return false;
        released(lock, read, traits);
        took(lock, write, traits);
        return true;
      },
    }),
  };
}

function trackSeq(cpu: Cpu, ops: SeqOps, traits: number): SeqOps {
  const { acquired, refused, released, sections, waitsFor } = listeners(cpu);
  const [read, write] = [MODE_READ, MODE_WRITE];
  return {
    readBegin: (lock) => ops.readBegin(lock),
    readRetry: (lock, seq) => ops.readRetry(lock, seq),
    ...(sections && {
      readBegin(lock: Addr) {
        sections.waitsFor(lock, read, traits);
        const seq = ops.readBegin(lock);
        sections.acquired(lock, read, traits);
        return seq;
      },
      readRetry(lock: Addr, seq: number) {
        sections.released(lock, read, traits);
        const again = ops.readRetry(lock, seq);
        if (again) refused(lock, read);
        return again;
      },
    }),
    writeBegin(lock) {
      waitsFor(lock, write, traits);
      ops.writeBegin(lock);
      acquired(lock, write, traits);
    },
    writeEnd(lock) {
      released(lock, write, traits);
      ops.writeEnd(lock);
    },
  };
}

function trackSemaphore(cpu: Cpu, ops: SemaphoreOps, traits: number): SemaphoreOps {
  const { acquired, refused, released, took, waitsFor } = listeners(cpu);
  const read = MODE_READ;
  const { tryAcquire } = ops;
  return {
    acquire(lock, permits) {
      waitsFor(lock, read, traits);
      ops.acquire(lock, permits);
      acquired(lock, read, traits);
    },
    ...(tryAcquire && {
      tryAcquire(lock: Addr, permits: number) {
        if (!tryAcquire.call(ops, lock, permits)) {
          refused(lock, read);
          return false;
        }
        took(lock, read, traits);
        return true;
      },
    }),
    release(lock, permits) {
      released(lock, read, traits);
      ops.release(lock, permits);
    },
  };
}

function trackCondition(cpu: Cpu, ops: ConditionOps, traits: number): ConditionOps {
  const { awaits, gaveUp } = listeners(cpu);
  const write = MODE_WRITE;
  return {
    wait(lock, mutex) {
      awaits(lock, write, traits);
      ops.wait(lock, mutex);
      gaveUp();
    },
    signal: (lock) => ops.signal(lock),
    broadcast: (lock) => ops.broadcast(lock),
  };
}

/** Waiting for what is never had. */
const awaiting =
  <Result>(
    { awaits, gaveUp }: Required<Pick<Tracking, 'awaits' | 'gaveUp'>>,
    traits: number,
    ops: object,
    wait: (lock: Addr) => Result,
  ) =>
  (lock: Addr): Result => {
    awaits(lock, MODE_WRITE, traits);
    try {
      return wait.call(ops, lock);
    } finally {
      gaveUp();
    }
  };

/** A barrier or a completion: it is waited for, and nobody has it. */
function trackWaits<Ops extends BarrierOps | CompletionOps>(cpu: Cpu, ops: Ops, traits: number): Ops {
  const { waits } = cpu.tracking;
  return waits ? { ...ops, wait: awaiting(waits, traits, ops, ops.wait as (lock: Addr) => unknown) } : ops;
}

/** Of nested sections only the outermost is kept; a grace period is waited for as a writer waits for readers. */
function trackRcu(cpu: Cpu, ops: RcuOps, traits: number): RcuOps {
  const { awaits, gaveUp, released, took } = listeners(cpu);
  const read = MODE_READ;
  const { synchronizeExpedited, barrier } = ops;
  const depths = new Map<Addr, number>();
  const waiting = (wait: (rcu: Addr) => void) => awaiting({ awaits, gaveUp }, traits, ops, wait);
  return {
    ...ops,
    readLock(rcu) {
      const token = ops.readLock(rcu);
      const depth = depths.get(rcu) ?? 0;
      depths.set(rcu, depth + 1);
      if (depth === 0) took(rcu, read, traits);
      return token;
    },
    readUnlock(rcu, token) {
      const depth = (depths.get(rcu) ?? 0) - 1;
      depths.set(rcu, depth);
      if (depth === 0) released(rcu, read, traits);
      ops.readUnlock(rcu, token);
    },
    synchronize: waiting(ops.synchronize),
    ...(synchronizeExpedited && { synchronizeExpedited: waiting(synchronizeExpedited) }),
    ...(barrier && { barrier: waiting(barrier) }),
  };
}

/** Wraps the operations of one CPU. */
export function track<K extends Kind>(kind: K, cpu: Cpu, ops: OpsByKind[K]): OpsByKind[K] {
  const wrap = {
    mutex: trackMutex,
    rwlock: trackRw,
    rwsem: trackRw,
    seq: trackSeq,
    semaphore: trackSemaphore,
    condition: trackCondition,
    barrier: trackWaits,
    completion: trackWaits,
    rcu: trackRcu,
  } as Partial<Record<Kind, (cpu: Cpu, ops: never, traits: number) => unknown>>;
  const wrapper = wrap[kind];
  return wrapper ? (wrapper(cpu, ops as never, traitsOfOps(ops, kind)) as OpsByKind[K]) : ops;
}
