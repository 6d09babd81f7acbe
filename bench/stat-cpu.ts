/**
 * CPUs that measure themselves while lock statistics are kept of them: each notes, by the same clock, how long it waited and how long it held which of two locks.
 */
import { type StatHandle, statCpu } from '../harness/measure/stat.ts';
import type { Addr } from '../src/arch/index.ts';
import type { MutexOps } from '../src/locking/kinds.ts';
import { ticket } from '../src/locking/ticket.ts';
import { track } from '../src/locking/track.ts';
import { Cpu } from '../src/memory/index.ts';
import type { Member } from './crew.ts';

/** What every CPU is told. */
export interface PlantedOrders {
  readonly handle: StatHandle;
  readonly hot: Addr;
  /** One for each CPU, 1 KiB from one to the next. */
  readonly cold: Addr;
  /** Milliseconds. */
  readonly time: number;
}

/** What a CPU noted of itself. Nanoseconds. */
export interface Planted {
  readonly taken: number;
  readonly held: number;
  readonly waited: number;
  readonly coldTaken: number;
  readonly coldHeld: number;
}

const HOLD = 20_000;
const COLD_HOLD = 8000;
/** How long CPU 1 stays away, so that it gets less. */
const AWAY = 90_000;
/** What takes longer has waited. */
const WAITED = 2000;

/** One CPU of two. */
export function plantedCpu({ isa, id, cpus, machine, barrier, args }: Member<PlantedOrders>): Planted {
  const cpu = new Cpu(isa, id, cpus, machine.words, 1);
  statCpu(args.handle, cpu, { classOf: (lock) => (lock === args.hot ? 'hot' : 'cold'), keep: false });
  const ops = track('mutex', cpu, ticket.create(isa, cpu) as MutexOps);
  const clock = (): number => performance.now() * 1e6;
  const busy = (ns: number): void => {
    for (const until = clock() + ns; clock() < until; );
  };
  const cold = args.cold + 1024 * id;
  const own = { taken: 0, held: 0, waited: 0, coldTaken: 0, coldHeld: 0 };
  barrier();
  for (const until = performance.now() + args.time; performance.now() < until; ) {
    const wanted = clock();
    ops.acquire(args.hot);
    const had = clock();
    busy(HOLD);
    const gave = clock();
    ops.release(args.hot);
    own.taken += 1;
    own.held += gave - had;
    if (had - wanted > WAITED) own.waited += had - wanted;
    if (id === 1) busy(AWAY);
    ops.acquire(cold);
    const began = clock();
    busy(COLD_HOLD);
    own.coldHeld += clock() - began;
    ops.release(cold);
    own.coldTaken += 1;
  }
  barrier();
  return own;
}
