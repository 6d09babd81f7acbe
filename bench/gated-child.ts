/**
 * Gated machines in a process of their own, with the flags of V8 that a hunt sets: `gated-child together|three EXECUTIONS BLOCKS`. `together` takes the machines of
 * two CPUs in turns, a block each; `three` is for gated.ts to pin to one core. Prints what came of each mode, rates block by block.
 */
import { setFlagsFromString } from 'node:v8';
import type { Exploration } from '../harness/explore/exploration.ts';
import { INLINING } from '../harness/explore/inlining.ts';
import { block, type GatedRates, openMode, THREE, TOGETHER } from './gated-modes.ts';

setFlagsFromString(INLINING);
const [which = 'together', executions = '1000', blocks = '3'] = process.argv.slice(2);
const modes = which === 'three' ? [THREE] : TOGETHER;
/** The first blocks are for the compiler. */
const UNCOUNTED = which === 'three' ? 1 : 2;
const machines: Exploration[] = [];
try {
  for (const mode of modes) machines.push(await openMode(mode));
  const rates = modes.map(() => [] as number[]);
  const accesses = modes.map(() => 0);
  for (let at = 0; at < UNCOUNTED + Number(blocks); at += 1)
    for (const [place, mode] of modes.entries()) {
      const made = await block(machines[place]!, mode, Number(executions), at + 1);
      accesses[place] = made.accesses;
      if (at >= UNCOUNTED) rates[place]!.push(made.rate);
    }
  const all = modes.map(
    ({ name }, place): GatedRates => ({ name, rates: rates[place]!, accesses: accesses[place]! }),
  );
  process.stdout.write(`${JSON.stringify(all)}\n`);
} finally {
  for (const machine of machines) await machine.close();
}
