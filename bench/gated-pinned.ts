/**
 * Three gated CPUs in a process of their own, for gated.ts to pin to one core: `gated-pinned EXECUTIONS BLOCKS`. Prints executions a second, block by block.
 */
import { block, openMode, THREE } from './gated-modes.ts';

const [executions = 1000, blocks = 3] = process.argv.slice(2).map(Number);
const exploration = await openMode(THREE);
try {
  // The first is for the compiler.
  await block(exploration, THREE, executions, 0);
  const rates: number[] = [];
  for (let at = 1; at <= blocks; at += 1) rates.push((await block(exploration, THREE, executions, at)).rate);
  process.stdout.write(`${JSON.stringify(rates)}\n`);
} finally {
  await exploration.close();
}
