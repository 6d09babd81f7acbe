/**
 * Sleepable RCU (McKenney 2006, "Sleepable RCU"; Linux since 2.6.19): every domain has its own grace periods, and a section may wait.
 *
 *   index      which of a CPU's two counters new sections are counted on
 *   done       grace periods ended, times 2, plus 1 while one is under way
 *   lock       one grace period at a time
 *   counts     of each CPU: sections that it is in, by index
 *
 * readLock reads `index`, counts itself there, and returns it; readUnlock counts down where it was told. A grace period waits until nobody is counted
 * on the other index, flips `index`, and waits until nobody is counted on the old one: newcomers count on the new one, so it ends however many come.
 *
 * Why it has to look at both: a reader may read `index`, be delayed while a grace period flips and finds the old counter at zero, and only then count
 * itself: on the index that is now the other. The next grace period must not flip past it: it waits there before it flips, and who comes by that
 * delay later still has not read any pointer yet. Sections end on the CPU that began them, so each counter is waited for by itself.
 *
 * Ordering: counting is a sequentially consistent store, the pointers inside are read by `load`, and the flip and the looks at the counters are
 * sequentially consistent as well: a reader that a grace period did not see counted reads its pointers after that look (Dekker, as in grace.ts).
 * Counting down is a `storeWake`, at least a release.
 *
 * Sharing: who finds, when its turn comes, that a grace period has begun and ended since it asked, needs none of its own.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { defineLock } from '../locking/define.ts';
import type { RcuOps } from '../locking/kinds.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { type Cpu, LINE, sizeOf, struct, u32, words } from '../memory/index.ts';
import { RcuError } from './grace.ts';

/** Layout of the head of an {@link srcu} domain; a line for each CPU follows. */
export const Srcu = struct('srcu', { index: u32.ownLine(), done: u32.ownLine(), lock: u32.ownLine() });
/** Layout of what a CPU has of it. */
export const SrcuCpu = struct('srcu_cpu', { counts: words(2).ownLine() });

const HEAD = Math.ceil(sizeOf(Srcu) / LINE) * LINE;

/** Byte offset of a CPU's counter of an index. */
export const srcuCount = (cpu: number, index: number): number => HEAD + LINE * cpu + 4 * index;

/** What broken domains do differently. */
export interface SrcuForm {
  /** Whether a grace period waits for the other index before it flips. */
  readonly looksAtBoth: boolean;
}

/** The operations of one CPU. */
export function srcuOps(isa: Isa, cpu: Cpu, { looksAtBoth }: SrcuForm): RcuOps {
  const turns = mutex3.create(isa, cpu);
  const mine = srcuCount(cpu.id, 0);

  function drain(domain: Addr, index: number): void {
    for (let other = 0; other < cpu.count; other += 1) {
      const count = domain + srcuCount(other, index);
      for (let now = isa.load(count); now !== 0; ) now = isa.spinWhile(count, now);
    }
  }

  function gracePeriod(domain: Addr): void {
    const old = isa.load(domain + Srcu.index) & 1;
    isa.fetchAdd(domain + Srcu.done, 1);
    if (looksAtBoth) drain(domain, 1 - old);
    isa.store(domain + Srcu.index, 1 - old);
    drain(domain, old);
    isa.fetchAdd(domain + Srcu.done, 1);
  }

  return {
    readLock(domain) {
      const index = isa.readOnce(domain + Srcu.index);
      const count = domain + mine + 4 * index;
      isa.store(count, isa.read(count) + 1);
      return index;
    },
    readUnlock(domain, index) {
      const count = domain + mine + 4 * (index & 1);
      const now = isa.read(count) - 1;
      if (now < 0)
        throw new RcuError(`CPU ${cpu.id} is in no section of index ${index} that readUnlock could end`);
      isa.storeWake(count, now);
    },
    synchronize(domain) {
      if (isa.read(domain + mine) !== 0 || isa.read(domain + mine + 4) !== 0)
        throw new RcuError(`synchronize inside a read section of CPU ${cpu.id} would wait for its own end`);
      // The one under way, if any, began too early: the next one will do.
      const enough = (((isa.load(domain + Srcu.done) + 1) | 1) + 1) | 0;
      turns.acquire(domain + Srcu.lock);
      if (((isa.load(domain + Srcu.done) - enough) | 0) < 0) gracePeriod(domain);
      turns.release(domain + Srcu.lock);
    },
  };
}

/** Sleepable read-copy update: its sections may wait. */
export const srcu = defineLock({
  name: 'srcu',
  kind: 'rcu',
  size: (cpus) => HEAD + LINE * cpus,
  layout: Srcu,
  promises: { sleeps: true },
  create: (isa, cpu) => srcuOps(isa, cpu, { looksAtBoth: true }),
});
