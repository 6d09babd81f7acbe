/** What several classic bugs are made of: bare locks, a mutex with a condition, a visit that shows whether two were inside, barriers to leave out. */
import type { Addr, Isa } from '../arch/index.ts';
import { Condition, condition } from '../locking/condition.ts';
import { NotOwner } from '../locking/errors.ts';
import type { ConditionOps, MutexOps } from '../locking/kinds.ts';
import { tas } from '../locking/tas.ts';
import { track } from '../locking/track.ts';
import { type Cpu, type Field, sizeOf, words } from '../memory/index.ts';

/** A barrier, or none. */
export type Barrier = (isa: Isa) => void;

/** No barrier. */
export const none: Barrier = () => {};
/** smp_mb. */
export const full: Barrier = (isa) => isa.mb();
/** smp_wmb. */
export const write: Barrier = (isa) => isa.wmb();
/** smp_rmb. */
export const read: Barrier = (isa) => isa.rmb();

/** For `create`: the operations of test-and-set locks that know their holder, and that others can see held. */
export const mutexOps = (isa: Isa, cpu: Cpu): Required<MutexOps> =>
  track('mutex', cpu, tas.create(isa, cpu)) as Required<MutexOps>;

/** The operations of a mutex and of conditions that go with it. */
export interface Monitor {
  readonly mutex: MutexOps;
  readonly condition: ConditionOps;
}

/** For `create`: mutexes and conditions. */
export function monitorOps(isa: Isa, cpu: Cpu): Monitor {
  const mutex = mutexOps(isa, cpu);
  return { mutex, condition: condition.create(isa, cpu, { mutex }) };
}

/** A field that holds a condition. */
export const conditionField = (): Field => words(sizeOf(Condition) / 4);

/** Adds 1 by a load and a store: two that do so at a time count as one. */
export function visit(isa: Isa, count: Addr): void {
  isa.writeOnce(count, isa.readOnce(count) + 1);
}

/** Takes a bare lock word, 0 = free, by storing `mark`. */
export function take(isa: Isa, lock: Addr, mark = 1): void {
  let seen = isa.compareExchange(lock, 0, mark);
  while (seen !== 0) {
    isa.spinWhile(lock, seen);
    seen = isa.compareExchange(lock, 0, mark);
  }
}

/** Frees a bare lock word, whoever holds it. */
export function give(isa: Isa, lock: Addr): void {
  isa.storeWake(lock, 0);
}

/**
 * Frees a lock word that this CPU has taken with its number + 1.
 * @throws NotOwner
 */
export function giveOwn(isa: Isa, cpu: Cpu, lock: Addr): void {
  const holder = isa.compareExchange(lock, cpu.id + 1, 0);
  if (holder !== cpu.id + 1) throw new NotOwner(cpu.id, lock, holder - 1);
  isa.wake(lock, 1);
}

/** Blocks until the word has this value. */
export function until(isa: Isa, addr: Addr, value: number): void {
  let seen = isa.loadAcquire(addr);
  while (seen !== value) seen = isa.spinWhile(addr, seen);
}
