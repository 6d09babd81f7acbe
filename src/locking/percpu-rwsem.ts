/**
 * Per-CPU reader-writer semaphore (Mikulas Patocka and Oleg Nesterov, Linux 3.8; the waiting readers' queue as of 5.6): reads that share no
 * cache line, writes that cost as much as there are CPUs.
 *
 *   block      1 while a writer is inside or on its way in
 *   writers    a sleeping mutex: one writer at a time
 *   readers[c] readers that are inside, by the CPU that they came from, a line each
 *
 * A reader adds 1 to its own CPU's count, and is in if `block` is still 0. Else it takes the 1 off again, tells a writer that may be waiting for that
 * very count, and waits for `block` to go. A writer takes the mutex, sets `block`, and then waits for one count after another to be 0.
 *
 * Nobody is missed: reader and writer each write first and look then, the reader its count and `block`, the writer `block` and the counts, all by
 * sequentially consistent accesses (Dekker). So either the reader sees `block`, or the writer sees its count. (The kernel spares its readers that
 * barrier while no writer is about, by a grace period of RCU or a membarrier, which user space of a JavaScript engine does not have.)
 *
 * A read must end on the CPU that began it. A writer shuts out all later readers at once and waits for those inside; readers
 * that wait get in when it leaves, before the next writer if they are quick: no order is promised.
 *
 * Ordering: a reader's decrement is a full read-modify-write before the writer's acquire load of 0; the writer's store of `block` comes after its critical
 * section and before the load with which a reader finds it 0.
 */
import type { Addr } from '../arch/index.ts';
import { LINE, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';
import { mutex3 } from './mutex3.ts';

/** Layout of the head of a {@link percpuRwsem}; the CPUs' counts follow, a line each. */
export const PercpuRwsem = struct('percpu_rwsem', { block: u32.ownLine(), writers: u32.ownLine() });

const HEAD = 2 * LINE;

/** Byte offset in the semaphore of a CPU's count. */
export function percpuReaders(cpu: number): number {
  return HEAD + LINE * cpu;
}

/** Per-CPU reader-writer semaphore: for reads all the time and a write once in a while. */
export const percpuRwsem = defineLock({
  name: 'percpu-rwsem',
  kind: 'rwsem',
  layout: PercpuRwsem,
  size: (cpus) => HEAD + LINE * cpus,
  promises: { sleeps: true },
  create: (isa, cpu) => {
    const { block, writers } = PercpuRwsem;
    const mine = percpuReaders(cpu.id);
    const { acquire, tryAcquire = () => false, release } = mutex3.create(isa, cpu);

    function leaveRead(at: Addr): void {
      if (isa.fetchAdd(at, -1) === 1) isa.wake(at, -1);
    }

    function tryRead(lock: Addr): boolean {
      isa.fetchAdd(lock + mine, 1);
      if (isa.load(lock + block) === 0) return true;
      leaveRead(lock + mine);
      return false;
    }

    function unblock(lock: Addr): void {
      isa.storeWake(lock + block, 0);
      release(lock + writers);
    }

    return {
      acquireRead(lock) {
        while (!tryRead(lock)) isa.spinWhile(lock + block, 1);
      },
      tryRead,
      releaseRead: (lock) => leaveRead(lock + mine),
      acquireWrite(lock) {
        acquire(lock + writers);
        isa.store(lock + block, 1);
        for (let at = lock + HEAD, end = lock + percpuReaders(cpu.count); at < end; at += LINE) {
          let now = isa.load(at);
          while (now !== 0) now = isa.spinWhile(at, now);
        }
      },
      tryWrite(lock) {
        if (!tryAcquire(lock + writers)) return false;
        isa.store(lock + block, 1);
        for (let at = lock + HEAD, end = lock + percpuReaders(cpu.count); at < end; at += LINE) {
          if (isa.load(at) === 0) continue;
          unblock(lock);
          return false;
        }
        return true;
      },
      releaseWrite: unblock,
      downgrade(lock) {
        isa.fetchAdd(lock + mine, 1);
        unblock(lock);
      },
    };
  },
});
