/** Page locks that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { pageBucket, pageLock, pageLockOps } from '../page-lock.ts';

/** Looks for waiters where another page's are. */
export const pageLockWrongBucket = defineMutant(
  pageLock,
  {
    name: 'busted/page-lock-wrong-bucket',
    wrong: "a release looks for waiters in another page's bucket only: who waits for this one sleeps on",
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa, cpu, _ops, env) => {
    const { areaOf } = env;
    if (!areaOf) return {};
    const all = { area: 0, areaOf, shared: undefined };
    // The bucket next to the right one; of one CPU's four there is always another.
    const { release } = pageLockOps(isa, cpu, all, (page) => {
      const right = pageBucket(all, cpu.count, page);
      const first = areaOf(0);
      return right === first ? first + 64 : first;
    });
    return { release };
  },
);
