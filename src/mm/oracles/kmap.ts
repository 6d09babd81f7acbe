/**
 * O-KMAP: at rest every entry of a page table that a fault has mapped is unmapped again (docs/mm.md, Oracles).
 *
 * Where page tables lie in high memory an entry is reached through a mapping of its own (pte_map), of which a CPU has few. Speculative page faults count theirs (spf/counters.ts); the classic path has its entry
 * by its lock.
 */
import { mmCpuOf } from '../per-cpu.ts';
import { MmCpu } from '../structs.ts';
import { firstOf, type Oracle } from './oracle.ts';

export const kmap: Oracle = {
  name: 'O-KMAP',
  says: 'every entry that a speculative fault has mapped is unmapped',
  check: ({ cpus, read, world }) =>
    firstOf(cpus, (cpu) => {
      const left = read(mmCpuOf(world, cpu) + MmCpu.spf_kmap);
      return left === 0
        ? undefined
        : `CPU ${cpu} has mapped ${left} entries of page tables that it has not unmapped`;
    }),
};
