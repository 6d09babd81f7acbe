/** One of the two CPUs that hand a turn to and fro, for gated.ts. */
import { Baton } from '../harness/engines/gated/baton.ts';
import type { GateArea } from '../harness/engines/gated/layout.ts';
import type { Member } from './crew.ts';

/** What they are told. */
export interface BatonOrders {
  /** Where their lines lie. */
  readonly lines: number;
  /** Turns of a block, and blocks. */
  readonly turns: number;
  readonly blocks: number;
}

/** The job of both. @returns nanoseconds a hand-off, by block */
export function batonCpu({ id, words, barrier, args }: Member<BatonOrders>): number[] {
  const { lines, turns, blocks } = args;
  const baton = new Baton(words, { lines } as GateArea, id, true);
  const all: number[] = [];
  for (let block = 0; block < blocks; block += 1) {
    barrier();
    const start = performance.now();
    for (let turn = 0; turn < turns; turn += 1) {
      if (id !== 0) baton.await();
      baton.pass(1 - id);
      if (id === 0) baton.await();
    }
    all.push(((performance.now() - start) * 1e6) / (2 * turns));
  }
  return all;
}
