/**
 * A process that measures cells, one after the other, as it is told: each message is the name of a cell, each answer what was measured. It ends when nobody tells it any more.
 */
import { setFlagsFromString } from 'node:v8';
import { cellParts } from '../../src/mm/regimes/cells.ts';
import { CpuThreads } from '../cpus/threads.ts';
import { INLINING } from '../explore/inlining.ts';
import { type CellResult, type MeasureOptions, measureCell } from './measure.ts';
import type { Answer } from './processes.ts';

/** What the process is told. */
export interface Order {
  readonly name: string;
  readonly options: Omit<MeasureOptions, 'signal' | 'threads'>;
}

setFlagsFromString(INLINING);
const threads = new CpuThreads(2);
const answer = (message: Answer<CellResult>): void => {
  if (process.connected) process.send?.(message);
};

process.on('message', ({ name, options }: Order) => {
  const parts = cellParts(name);
  if (!parts) {
    answer({ error: `there is no cell '${name}'` });
    return;
  }
  measureCell(parts.regime, parts.reader, parts.writer, { ...options, threads }).then(
    (result) => answer({ result }),
    (error: Error) => answer({ error: error.message }),
  );
});
// Ctrl-C is for whoever started it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
