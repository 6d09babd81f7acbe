/** Per-CPU reader-writer semaphores that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { mutex3 } from '../mutex3.ts';
import { PercpuRwsem, percpuReaders, percpuRwsem } from '../percpu-rwsem.ts';

/** Forgets a CPU. */
export const percpuRwsemSkipsOne = defineMutant(
  percpuRwsem,
  {
    name: 'busted/percpu-rwsem-skips-one',
    wrong: 'the writer does not look at the count of CPU 0, and enters while that one reads',
    caughtBy: 'exclusion',
  },
  (isa, cpu) => {
    const { acquire } = mutex3.create(isa, cpu);
    return {
      acquireWrite(lock) {
        acquire(lock + PercpuRwsem.writers);
        isa.store(lock + PercpuRwsem.block, 1);
        for (let other = 1; other < cpu.count; other += 1) {
          const at = lock + percpuReaders(other);
          let now = isa.load(at);
          while (now !== 0) now = isa.spinWhile(at, now);
        }
      },
    };
  },
);

/** Looks before it counts. */
export const percpuRwsemLooksFirst = defineMutant(
  percpuRwsem,
  {
    name: 'busted/percpu-rwsem-looks-first',
    wrong:
      'a reader looks at the block and counts itself afterwards: between the two a writer sees nobody and enters',
    caughtBy: 'exclusion',
  },
  (isa, cpu) => {
    const mine = percpuReaders(cpu.id);
    return {
      acquireRead(lock) {
        while (isa.load(lock + PercpuRwsem.block) !== 0) isa.spinWhile(lock + PercpuRwsem.block, 1);
        isa.fetchAdd(lock + mine, 1);
      },
    };
  },
);
