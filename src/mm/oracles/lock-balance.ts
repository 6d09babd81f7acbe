/**
 * O-LOCKBAL: at rest nobody holds a lock, and nobody waits for one (mm.md C.5).
 *
 * Each lock word of the model is 0 when it is free, in the lock classes that the model uses unless told otherwise; `held` of each CPU knows of any class. Free objects are looked at,
 * too: what was locked when it was freed stays locked for the next owner, as the constructor alone initialises it (mm.md R1.6). A sequence count is even.
 */
import type { Addr } from '../../arch/index.ts';
import { Rwsem } from '../../locking/rwsem.ts';
import { CpuArea, cpuArea } from '../../memory/index.ts';
import { RcuCpu, rcuCpu } from '../../rcu/grace.ts';
import { AddressSpace, AnonMm, AnonVma, Globals, Mm, PG, SwapInfo, Vma, Zone } from '../structs.ts';
import type { Census } from './census.ts';
import { first, type Oracle } from './oracle.ts';

const PAGE_BITS = { locked: PG.locked.mask, waiters: PG.waiters.mask, maplock: PG.maplock.mask };

/** Words that are 0 when they are free. */
function words({ world, mms, vmas, anonVmas, anonMms, files }: Census): Addr[] {
  const { zone, swap, globals } = world;
  return [
    zone + Zone.lock,
    zone + Zone.lru_lock,
    swap + SwapInfo.swap_lock,
    swap + SwapInfo.tree_lock,
    globals + Globals.mmlist_lock,
    ...mms.all.flatMap(({ at }) => [
      at + Mm.page_table_lock,
      at + Mm.mmap_sem + Rwsem.count,
      at + Mm.mmap_sem + Rwsem.wait_lock,
    ]),
    ...vmas.all.map(({ at }) => at + Vma.page_table_lock),
    ...anonVmas.all.map(({ at }) => at + AnonVma.lock),
    ...anonMms.all.map(({ at }) => at + AnonMm.lock),
    ...files.all.flatMap(({ at }) => [
      at + AddressSpace.i_sem,
      at + AddressSpace.tree_lock,
      at + AddressSpace.i_mmap_lock,
    ]),
  ];
}

function ofCpu({ read, world, called }: Census, cpu: number): string | undefined {
  const area = cpuArea(cpu);
  for (let at = 0; at < read(area + CpuArea.held); at += 1) {
    const lock = read(area + CpuArea.heldLocks + 8 * at);
    if (lock >= world.zone && lock < world.end) return `CPU ${cpu} holds ${called(lock)}`;
  }
  const nesting = read(world.rcu + rcuCpu(cpu) + RcuCpu.nesting);
  return nesting === 0 ? undefined : `CPU ${cpu} is in ${nesting} RCU read sections`;
}

export const lockBalance: Oracle = {
  name: 'O-LOCKBAL',
  says: 'no lock is held, no page is locked, and no CPU is in a read section',
  check(census) {
    const { cpus, frames, vmas, read, called } = census;
    return (
      first(Array.from({ length: cpus }).keys(), (cpu) => ofCpu(census, cpu)) ??
      first(words(census), (word) =>
        read(word) === 0 ? undefined : `${called(word)} is ${read(word)}: it is held`,
      ) ??
      first(frames, ({ name, flags }) => {
        const bit = Object.entries(PAGE_BITS).find(([, mask]) => (flags & mask) !== 0);
        return bit && `${name} has PG_${bit[0]}`;
      }) ??
      first(vmas.live, ({ at, name }) => {
        const sequence = read(at + Vma.vm_sequence);
        return (sequence & 1) === 0 ? undefined : `${name}.vm_sequence is ${sequence}: a writer is inside`;
      })
    );
  },
};
