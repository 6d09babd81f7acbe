/**
 * Every row on every engine: the table says what each must do, and a failure prints the seed that LOCKRIG_SEED takes. `--long` runs repeat
 * the orderings tenfold and the hand-off chains a hundredfold.
 */
import { longOnly, suite } from '../suite.ts';
import { atomicityRows } from './atomicity.ts';
import { chainRows } from './chains.ts';
import { futexRows } from './futex.ts';
import { orderingRows } from './ordering.ts';
import type { Effort, Row } from './rows.ts';
import { subjects } from './table.ts';
import { valueRows } from './values.ts';
import { waitingRows } from './waiting.ts';

const seed = Number(process.env.LOCKRIG_SEED ?? Date.now() % 1_000_000);
const deadline = 240_000;
const topics: Readonly<Record<string, readonly Row[]>> = {
  values: valueRows,
  atomicity: atomicityRows,
  ordering: orderingRows,
  futex: futexRows,
  waiting: waitingRows,
  chains: chainRows,
};
const longer: Readonly<Record<string, number>> = { atomicity: 10, ordering: 10, waiting: 10, chains: 100 };

async function judge(row: Row, run: Promise<void>): Promise<void> {
  try {
    await run;
  } catch (error) {
    if (error instanceof Error) error.message = `${row.name}: ${error.message}\n(LOCKRIG_SEED=${seed})`;
    throw error;
  }
}

console.log(`seed ${seed}`);
for (const subject of subjects) {
  for (const [topic, rows] of Object.entries(topics)) {
    const test = suite(`isa ${topic} on ${subject.name}`);
    const long = longOnly(test);
    const times = longer[topic];
    for (const row of rows) {
      if (subject.engines.length > 1 && row.mixed !== true) continue;
      const run = (effort: Effort) => () => judge(row, row.run(subject, effort));
      test(row.name, run({ times: 1, seed, patience: 10_000 }), { deadline });
      if (times !== undefined)
        long(`${row.name}, ${times} times over`, run({ times, seed, patience: 30_000 }));
    }
    test.run();
  }
}
