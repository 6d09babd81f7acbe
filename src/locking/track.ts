/**
 * Tracking: the operations of a lock, wrapped so that its CPU's area says which locks it waits for and holds. That is what a watchdog needs to
 * name owners and waiters, and what a dead CPU is reported with. Locks themselves stay clean of it, and programs that do not want it call the
 * bare operations.
 *
 * A lock is pushed right after it was acquired and popped right before it is released: an observer may see it held a moment too late, never too
 * long. What the lock is goes with it (traits.ts), for engines that judge how it is used.
 */
import type { Addr } from '../arch/index.ts';
import { type Cpu, MODE_READ, MODE_WRITE } from '../memory/index.ts';
import type {
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

function trackMutex(cpu: Cpu, ops: MutexOps, traits: number): MutexOps {
  const { acquired, released, waitsFor } = cpu.tracking;
  const { tryAcquire } = ops;
  return {
    acquire(lock) {
      waitsFor(lock, MODE_WRITE, traits);
      ops.acquire(lock);
      acquired(lock, MODE_WRITE, traits);
    },
    ...(tryAcquire && {
      tryAcquire(lock: Addr) {
        if (!tryAcquire.call(ops, lock)) return false;
        acquired(lock, MODE_WRITE, traits);
        return true;
      },
    }),
    release(lock) {
      released(lock, MODE_WRITE, traits);
      ops.release(lock);
    },
  };
}

function trackRw(cpu: Cpu, ops: RwOps, traits: number): RwOps {
  const { acquired, released, waitsFor } = cpu.tracking;
  const { tryRead, tryWrite, downgrade, tryUpgrade } = ops;
  return {
    acquireRead(lock) {
      waitsFor(lock, MODE_READ, traits);
      ops.acquireRead(lock);
      acquired(lock, MODE_READ, traits);
    },
    releaseRead(lock) {
      released(lock, MODE_READ, traits);
      ops.releaseRead(lock);
    },
    acquireWrite(lock) {
      waitsFor(lock, MODE_WRITE, traits);
      ops.acquireWrite(lock);
      acquired(lock, MODE_WRITE, traits);
    },
    releaseWrite(lock) {
      released(lock, MODE_WRITE, traits);
      ops.releaseWrite(lock);
    },
    ...(tryRead && {
      tryRead(lock: Addr) {
        if (!tryRead.call(ops, lock)) return false;
        acquired(lock, MODE_READ, traits);
        return true;
      },
    }),
    ...(tryWrite && {
      tryWrite(lock: Addr) {
        if (!tryWrite.call(ops, lock)) return false;
        acquired(lock, MODE_WRITE, traits);
        return true;
      },
    }),
    ...(downgrade && {
      downgrade(lock: Addr) {
        released(lock, MODE_WRITE, traits);
        acquired(lock, MODE_READ, traits);
        downgrade.call(ops, lock);
      },
    }),
    ...(tryUpgrade && {
      tryUpgrade(lock: Addr) {
        if (!tryUpgrade.call(ops, lock)) return false;
        released(lock, MODE_READ, traits);
        acquired(lock, MODE_WRITE, traits);
        return true;
      },
    }),
  };
}

function trackSeq(cpu: Cpu, ops: SeqOps, traits: number): SeqOps {
  const { acquired, released, waitsFor } = cpu.tracking;
  return {
    readBegin: (lock) => ops.readBegin(lock),
    readRetry: (lock, seq) => ops.readRetry(lock, seq),
    writeBegin(lock) {
      waitsFor(lock, MODE_WRITE, traits);
      ops.writeBegin(lock);
      acquired(lock, MODE_WRITE, traits);
    },
    writeEnd(lock) {
      released(lock, MODE_WRITE, traits);
      ops.writeEnd(lock);
    },
  };
}

function trackSemaphore(cpu: Cpu, ops: SemaphoreOps, traits: number): SemaphoreOps {
  const { acquired, released, waitsFor } = cpu.tracking;
  const { tryAcquire } = ops;
  return {
    acquire(lock, permits) {
      waitsFor(lock, MODE_READ, traits);
      ops.acquire(lock, permits);
      acquired(lock, MODE_READ, traits);
    },
    ...(tryAcquire && {
      tryAcquire(lock: Addr, permits: number) {
        if (!tryAcquire.call(ops, lock, permits)) return false;
        acquired(lock, MODE_READ, traits);
        return true;
      },
    }),
    release(lock, permits) {
      released(lock, MODE_READ, traits);
      ops.release(lock, permits);
    },
  };
}

function trackCondition(cpu: Cpu, ops: ConditionOps, traits: number): ConditionOps {
  const { gaveUp, waitsFor } = cpu.tracking;
  return {
    wait(lock, mutex) {
      waitsFor(lock, MODE_WRITE, traits);
      ops.wait(lock, mutex);
      gaveUp();
    },
    signal: (lock) => ops.signal(lock),
    broadcast: (lock) => ops.broadcast(lock),
  };
}

/** Of nested sections only the outermost is kept; a grace period is waited for as a writer waits for readers. */
function trackRcu(cpu: Cpu, ops: RcuOps, traits: number): RcuOps {
  const { acquired, gaveUp, released, waitsFor } = cpu.tracking;
  const { synchronizeExpedited, barrier } = ops;
  const depths = new Map<Addr, number>();
  const waiting = (wait: (rcu: Addr) => void) => (rcu: Addr) => {
    waitsFor(rcu, MODE_WRITE, traits);
    try {
      wait.call(ops, rcu);
    } finally {
      gaveUp();
    }
  };
  return {
    ...ops,
    readLock(rcu) {
      const token = ops.readLock(rcu);
      const depth = depths.get(rcu) ?? 0;
      depths.set(rcu, depth + 1);
      if (depth === 0) acquired(rcu, MODE_READ, traits);
      return token;
    },
    readUnlock(rcu, token) {
      const depth = (depths.get(rcu) ?? 0) - 1;
      depths.set(rcu, depth);
      if (depth === 0) released(rcu, MODE_READ, traits);
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
    rcu: trackRcu,
  } as Partial<Record<Kind, (cpu: Cpu, ops: never, traits: number) => unknown>>;
  const wrapper = wrap[kind];
  return wrapper ? (wrapper(cpu, ops as never, traitsOfOps(ops, kind)) as OpsByKind[K]) : ops;
}
