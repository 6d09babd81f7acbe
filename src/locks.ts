/** All locks and RCU flavours, in the order in which they are listed, and the ones that are broken on purpose. */

import * as brokenAnderson from './locking/broken/anderson.ts';
import * as brokenBarriers from './locking/broken/barrier.ts';
import * as brokenClh from './locking/broken/clh.ts';
import * as brokenCompletions from './locking/broken/completion.ts';
import * as brokenConditions from './locking/broken/condition.ts';
import * as brokenLinuxMutexes from './locking/broken/linux-mutex.ts';
import * as brokenMcs from './locking/broken/mcs.ts';
import * as brokenMutexes from './locking/broken/mutex.ts';
import * as brokenMutex3 from './locking/broken/mutex3.ts';
import * as brokenPageLocks from './locking/broken/page-lock.ts';
import * as brokenPercpuRwsems from './locking/broken/percpu-rwsem.ts';
import * as brokenQspinlocks from './locking/broken/qspinlock.ts';
import * as brokenQueues from './locking/broken/queue.ts';
import * as brokenRwlocks from './locking/broken/rwlock.ts';
import * as brokenRwsems from './locking/broken/rwsem.ts';
import * as brokenSemaphores from './locking/broken/semaphore.ts';
import * as brokenSeqlocks from './locking/broken/seqlock.ts';
import * as brokenTickets from './locking/broken/ticket.ts';
import type { AnyLock } from './locking/define.ts';
import {
  anderson,
  barrier,
  brlock,
  chaseLev,
  clh,
  completion,
  condition,
  event,
  malthusian,
  mcs,
  mpmc,
  mutex,
  mutex3,
  pageLock,
  percpuRwsem,
  qrwlock,
  qspinlock,
  rwlock,
  rwlockReaderPreferring,
  rwsem,
  rwsemReaderPreferring,
  semaphore,
  seqcount,
  seqlock,
  spsc,
  tas,
  ticket,
  ticketBackoff,
  ttas,
  ttasBackoff,
  twa,
} from './locking/index.ts';
import * as brokenRcu from './rcu/broken/rcu.ts';
import { hazard, qsbr, rcu, srcu } from './rcu/index.ts';

/** The correct locks, in the order in which they are listed. */
export const locks: readonly AnyLock[] = [
  tas,
  ttas,
  ttasBackoff,
  ticket,
  ticketBackoff,
  twa,
  anderson,
  mcs,
  clh,
  malthusian,
  qspinlock,
  mutex3,
  mutex,
  pageLock,
  semaphore,
  rwlock,
  rwlockReaderPreferring,
  qrwlock,
  brlock,
  rwsem,
  rwsemReaderPreferring,
  percpuRwsem,
  seqlock,
  seqcount,
  condition,
  completion,
  event,
  barrier,
  mpmc,
  spsc,
  chaseLev,
  rcu,
  qsbr,
  srcu,
  hazard,
] as readonly unknown[] as readonly AnyLock[];

/** Locks that are broken on purpose, by the lock that they were derived from. */
export const mutants: readonly AnyLock[] = [
  brokenMutexes,
  brokenTickets,
  brokenMcs,
  brokenAnderson,
  brokenClh,
  brokenQspinlocks,
  brokenPageLocks,
  brokenMutex3,
  brokenLinuxMutexes,
  brokenSemaphores,
  brokenRwlocks,
  brokenRwsems,
  brokenPercpuRwsems,
  brokenSeqlocks,
  brokenConditions,
  brokenCompletions,
  brokenBarriers,
  brokenQueues,
  brokenRcu,
].flatMap((module) => Object.values(module) as readonly unknown[] as AnyLock[]);

/** Finds a lock or a mutant by its name. */
export function lockByName(name: string): AnyLock | undefined {
  return locks.find((lock) => lock.name === name) ?? mutants.find((lock) => lock.name === name);
}
