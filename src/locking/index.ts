/** The locks, and beside them the ones that are broken on purpose. */
import { barrier } from './barrier.ts';
import * as brokenBarriers from './broken/barrier.ts';
import * as brokenConditions from './broken/condition.ts';
import * as brokenMcs from './broken/mcs.ts';
import * as brokenMutexes from './broken/mutex.ts';
import * as brokenMutex3 from './broken/mutex3.ts';
import * as brokenRwlocks from './broken/rwlock.ts';
import * as brokenRwsems from './broken/rwsem.ts';
import * as brokenSemaphores from './broken/semaphore.ts';
import * as brokenSeqlocks from './broken/seqlock.ts';
import * as brokenTickets from './broken/ticket.ts';
import { condition } from './condition.ts';
import type { AnyLock } from './define.ts';
import { mcs } from './mcs.ts';
import { mutex3 } from './mutex3.ts';
import { rwlock } from './rwlock.ts';
import { rwsem, rwsemReaderPreferring } from './rwsem.ts';
import { semaphore } from './semaphore.ts';
import { seqlock } from './seqlock.ts';
import { tas } from './tas.ts';
import { ticket } from './ticket.ts';
import { ttas } from './ttas.ts';

export {
  barrier,
  condition,
  mcs,
  mutex3,
  rwlock,
  rwsem,
  rwsemReaderPreferring,
  semaphore,
  seqlock,
  tas,
  ticket,
  ttas,
};

/** The correct locks, in the order in which they are listed. */
export const locks: readonly AnyLock[] = [
  tas,
  ttas,
  ticket,
  mcs,
  mutex3,
  semaphore,
  rwlock,
  rwsem,
  rwsemReaderPreferring,
  seqlock,
  condition,
  barrier,
] as readonly unknown[] as readonly AnyLock[];

/** Locks that are broken on purpose, by the lock that they were derived from. */
export const mutants: readonly AnyLock[] = [
  brokenMutexes,
  brokenTickets,
  brokenMcs,
  brokenMutex3,
  brokenSemaphores,
  brokenRwlocks,
  brokenRwsems,
  brokenSeqlocks,
  brokenConditions,
  brokenBarriers,
].flatMap((module) => Object.values(module) as readonly unknown[] as AnyLock[]);

/** Finds a lock or a mutant by its name. */
export function lockByName(name: string): AnyLock | undefined {
  return locks.find((lock) => lock.name === name) ?? mutants.find((lock) => lock.name === name);
}
