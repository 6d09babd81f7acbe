/**
 * A process that measures rows of the table of races, one after the other, as it is told. It ends when nobody tells it any more.
 */
import { setFlagsFromString } from 'node:v8';
import { CpuThreads } from '../cpus/threads.ts';
import { INLINING } from '../explore/inlining.ts';
import type { Answer } from './processes.ts';
import {
  type Free,
  measureRace,
  type RaceOptions,
  type RaceResult,
  runFree,
  type Threads,
} from './race-measure.ts';
import { RACE_ROWS } from './race-rows.ts';

/** What the process is told: the name of a row, and how it is measured; with `free`, so many milliseconds on CPUs that run free. */
export interface RaceOrder {
  readonly name: string;
  readonly options: RaceOptions;
  readonly free?: number;
}

setFlagsFromString(INLINING);
const kept = new Map<number, CpuThreads>();
const threads: Threads = (cpus) => {
  const those = kept.get(cpus) ?? new CpuThreads(cpus);
  kept.set(cpus, those);
  return those;
};
const answer = (message: Answer<RaceResult | Free>): void => {
  if (process.connected) process.send?.(message);
};

process.on('message', ({ name, options, free }: RaceOrder) => {
  const row = RACE_ROWS.find((each) => each.name === name);
  if (!row) {
    answer({ error: `there is no race '${name}'` });
    return;
  }
  (free === undefined ? measureRace(row, threads, options) : runFree(row, free, options.seed)).then(
    (result) => answer({ result }),
    (error: Error) => answer({ error: error.message }),
  );
});
// Ctrl-C is for whoever started it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
