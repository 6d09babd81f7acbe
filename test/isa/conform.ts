/**
 * Declares the tests of one topic: every row on every engine of the table. A failure prints the seed, which
 * LOCKRIG_SEED sets; `--long` runs do each row once more with its rounds multiplied.
 */
import { seed } from '../seed.ts';
import { inTurn, longOnly, suite } from '../suite.ts';
import type { Effort, Row } from './rows.ts';
import { subjects } from './table.ts';

const DEADLINE = 240_000;
/** Where CPUs run on different engines, each of which has had its own turn. */
const MIXED = 0.2;
/** Topics of many like rows: one row in five, others with each run. */
const TAKE_TURNS = ['chains', 'crowds', 'ordering'];

/** @param topic what the rows are about */
export function conform(topic: string, rows: readonly Row[]): void {
  console.log(`seed ${seed}`);
  for (const subject of subjects) {
    const fitting = rows.filter((row) => subject.engines.length === 1 || row.mixed === true);
    if (fitting.length === 0) continue;
    const test = suite(`isa ${topic} on ${subject.name}`);
    const long = longOnly(test);
    const some = inTurn(test, 5);
    for (const row of fitting) {
      const run = (effort: Effort) => async () => {
        try {
          await row.run(subject, effort);
        } catch (error) {
          if (error instanceof Error) error.message += `\n(LOCKRIG_SEED=${seed})`;
          throw error;
        }
      };
      const once = subject.engines.length > 1 ? MIXED : 1;
      const declare = TAKE_TURNS.includes(topic) ? some : test;
      declare(row.name, run({ times: once, seed, patience: 10_000 }), { deadline: DEADLINE });
      if (row.long === undefined) continue;
      const times = once * row.long;
      long(`${row.name}, ${row.long} times over`, run({ times, seed, patience: 60_000 }));
    }
    test.run();
  }
}
