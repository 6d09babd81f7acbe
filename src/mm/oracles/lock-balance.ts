/**
 * O-LOCKBAL: at rest nobody holds a lock, and nobody waits for one (docs/mm.md, Oracles).
 *
 * Each lock word of the model is 0 when it is free, in the lock classes that the model uses unless told otherwise; `held` of each CPU knows of any class. Free objects are looked at,
 * too: what was locked when it was freed stays locked for the next owner, as the constructor alone initialises it (mm.md R1.6). A sequence count is even.
 */
import type { Addr } from '../../arch/index.ts';
import { Qrwlock } from '../../locking/qrwlock.ts';
import { Rwsem } from '../../locking/rwsem.ts';
import { CpuArea, cpuArea } from '../../memory/index.ts';
import { RcuCpu, rcuCpu } from '../../rcu/grace.ts';
import { srcuCount } from '../../rcu/srcu.ts';
import { AddressSpace, AnonMm, AnonVma, Globals, Mm, PG, SwapInfo, Vma, Zone } from '../structs.ts';
import type { Census } from './census.ts';
import { first, firstOf, type Oracle } from './oracle.ts';

const PAGE_BITS = { locked: PG.locked.mask, waiters: PG.waiters.mask, maplock: PG.maplock.mask };
const ANY_BIT = PG.locked.mask | PG.waiters.mask | PG.maplock.mask;

/** Lock words of each object of a kind. */
const WORDS = {
  mms: [
    Mm.page_table_lock,
    Mm.mmap_sem + Rwsem.count,
    Mm.mmap_sem + Rwsem.wait_lock,
    Mm.mm_rb_lock + Qrwlock.word,
  ],
  vmas: [Vma.page_table_lock, Vma.vm_lock + Rwsem.count, Vma.vm_lock + Rwsem.wait_lock],
  anonVmas: [AnonVma.lock],
  anonMms: [AnonMm.lock],
  files: [
    AddressSpace.i_sem,
    AddressSpace.tree_lock,
    AddressSpace.i_mmap_lock,
    AddressSpace.unmap_mutex,
    AddressSpace.private_lock,
  ],
} as const;

/** The first lock word that is not 0; 0: all are. */
function heldWord(census: Census): Addr {
  const { read, world } = census;
  const { zone, swap, globals } = world;
  const single = [
    zone + Zone.lock,
    zone + Zone.lru_lock,
    swap + SwapInfo.swap_lock,
    swap + SwapInfo.tree_lock,
    globals + Globals.mmlist_lock,
  ];
  for (const word of single) if (read(word) !== 0) return word;
  for (const [kind, offsets] of Object.entries(WORDS))
    for (const { at } of census[kind as keyof typeof WORDS].all)
      for (const offset of offsets) if (read(at + offset) !== 0) return at + offset;
  return 0;
}

function ofCpu({ read, world, called }: Census, cpu: number): string | undefined {
  const area = cpuArea(cpu);
  for (let at = 0; at < read(area + CpuArea.held); at += 1) {
    const lock = read(area + CpuArea.heldLocks + 8 * at);
    if (lock >= world.zone && lock < world.end) return `CPU ${cpu} holds ${called(lock)}`;
  }
  const nesting = read(world.rcu + rcuCpu(cpu) + RcuCpu.nesting);
  if (nesting !== 0) return `CPU ${cpu} is in ${nesting} RCU read sections`;
  const sleepable = read(world.srcu + srcuCount(cpu, 0)) + read(world.srcu + srcuCount(cpu, 1));
  return sleepable === 0 ? undefined : `CPU ${cpu} is in ${sleepable} SRCU read sections`;
}

export const lockBalance: Oracle = {
  name: 'O-LOCKBAL',
  says: 'no lock is held, no page is locked, and no CPU is in a read section',
  check(census) {
    const { cpus, frames, vmas, read, called } = census;
    const word = heldWord(census);
    return (
      firstOf(cpus, (cpu) => ofCpu(census, cpu)) ??
      (word === 0 ? undefined : `${called(word)} is ${read(word)}: it is held`) ??
      first(frames, ({ name, flags }) => {
        if ((flags & ANY_BIT) === 0) return undefined;
        const [bit] = Object.entries(PAGE_BITS).find(([, mask]) => (flags & mask) !== 0)!;
        return `${name} has PG_${bit}`;
      }) ??
      first(vmas.live, ({ at, name }) => {
        const sequence = read(at + Vma.vm_sequence);
        return (sequence & 1) === 0 ? undefined : `${name}.vm_sequence is ${sequence}: a writer is inside`;
      })
    );
  },
};
