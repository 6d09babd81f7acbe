/** The locks, and beside them the ones that are broken on purpose. */

import { anderson } from './anderson.ts';
import { barrier } from './barrier.ts';
import { brlock } from './brlock.ts';
import * as brokenAnderson from './broken/anderson.ts';
import * as brokenBarriers from './broken/barrier.ts';
import * as brokenClh from './broken/clh.ts';
import * as brokenCompletions from './broken/completion.ts';
import * as brokenConditions from './broken/condition.ts';
import * as brokenLinuxMutexes from './broken/linux-mutex.ts';
import * as brokenMcs from './broken/mcs.ts';
import * as brokenMutexes from './broken/mutex.ts';
import * as brokenMutex3 from './broken/mutex3.ts';
import * as brokenPercpuRwsems from './broken/percpu-rwsem.ts';
import * as brokenQspinlocks from './broken/qspinlock.ts';
import * as brokenQueues from './broken/queue.ts';
import * as brokenRwlocks from './broken/rwlock.ts';
import * as brokenRwsems from './broken/rwsem.ts';
import * as brokenSemaphores from './broken/semaphore.ts';
import * as brokenSeqlocks from './broken/seqlock.ts';
import * as brokenTickets from './broken/ticket.ts';
import { chaseLev } from './chase-lev.ts';
import { clh } from './clh.ts';
import { completion } from './completion.ts';
import { condition } from './condition.ts';
import type { AnyLock } from './define.ts';
import { event } from './event.ts';
import { malthusian } from './malthusian.ts';
import { mcs } from './mcs.ts';
import { mpmc } from './mpmc.ts';
import { mutex } from './mutex.ts';
import { mutex3 } from './mutex3.ts';
import { percpuRwsem } from './percpu-rwsem.ts';
import { qrwlock } from './qrwlock.ts';
import { qspinlock } from './qspinlock.ts';
import { rwlock } from './rwlock.ts';
import { rwlockReaderPreferring } from './rwlock-reader-preferring.ts';
import { rwsem, rwsemReaderPreferring } from './rwsem.ts';
import { semaphore } from './semaphore.ts';
import { seqlock } from './seqlock.ts';
import { spsc } from './spsc.ts';
import { tas } from './tas.ts';
import { ticket } from './ticket.ts';
import { ticketBackoff } from './ticket-backoff.ts';
import { ttas } from './ttas.ts';
import { ttasBackoff } from './ttas-backoff.ts';
import { twa } from './twa.ts';

export {
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
  percpuRwsem,
  qrwlock,
  qspinlock,
  rwlock,
  rwlockReaderPreferring,
  rwsem,
  rwsemReaderPreferring,
  semaphore,
  seqlock,
  spsc,
  tas,
  ticket,
  ticketBackoff,
  ttas,
  ttasBackoff,
  twa,
};

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
  semaphore,
  rwlock,
  rwlockReaderPreferring,
  qrwlock,
  brlock,
  rwsem,
  rwsemReaderPreferring,
  percpuRwsem,
  seqlock,
  condition,
  completion,
  event,
  barrier,
  mpmc,
  spsc,
  chaseLev,
] as readonly unknown[] as readonly AnyLock[];

/** Locks that are broken on purpose, by the lock that they were derived from. */
export const mutants: readonly AnyLock[] = [
  brokenMutexes,
  brokenTickets,
  brokenMcs,
  brokenAnderson,
  brokenClh,
  brokenQspinlocks,
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
].flatMap((module) => Object.values(module) as readonly unknown[] as AnyLock[]);

/** Finds a lock or a mutant by its name. */
export function lockByName(name: string): AnyLock | undefined {
  return locks.find((lock) => lock.name === name) ?? mutants.find((lock) => lock.name === name);
}
