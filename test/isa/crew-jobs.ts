/** What the CPUs of crew.test.ts run. */
import type { Job } from '../../bench/crew.ts';
import { Violation } from './rows.ts';

export interface CountOrders {
  readonly at: number;
  readonly rounds: number;
}

export const meetOften: Job<CountOrders, number> = ({ words, cpus, barrier, args: { at, rounds } }) => {
  let wrong = 0;
  for (let round = 1; round <= rounds; round += 1) {
    Atomics.add(words, at, 1);
    barrier();
    if (Atomics.load(words, at) !== round * cpus) wrong += 1;
    barrier();
  }
  return wrong;
};

export const breaks: Job<null, void> = ({ id, barrier }) => {
  if (id === 1) throw new Violation('planted');
  barrier();
};

export const sleeps: Job<{ readonly at: number }, void> = ({ isa, args }) => {
  isa.spinWhile(args.at, 0);
};
