/**
 * What one CPU may see of another's accesses: the litmus rows of the table, and that an access which must be performed is performed, however
 * hot the loop it stands in.
 */
import type { Job } from '../../bench/crew.ts';
import { printLitmus, runLitmus } from '../../bench/litmus.ts';
import { createMachine } from '../../src/memory/index.ts';
import { type Effort, engineFor, must, type Row, runToEnd } from './rows.ts';
import { type LitmusRow, litmusRows, type Subject, verdictOf } from './table.ts';

/** Budgets grow until a weak outcome that must be seen is seen; the last is a matter of minutes on a machine that never shows it. */
const GROWTH = [1, 4, 16, 64, 256];

async function runOnce(row: LitmusRow, subject: Subject, effort: Effort, instances: number) {
  const engine = engineFor(subject);
  const result = await runLitmus({
    test: row.test,
    access: row.access,
    instances,
    engine: [engine(0), engine(1)],
    seed: effort.seed,
    deadline: 600_000,
  });
  const lost = Object.keys(result.outcomes).find((outcome) => outcome.includes('lost'));
  must(lost === undefined, () => `${lost}\n${printLitmus([result])}`);
  return result;
}

/** Runs one litmus row and holds it against the table. */
async function litmus(row: LitmusRow, subject: Subject, effort: Effort): Promise<void> {
  const verdict = verdictOf(row, subject);
  if (verdict === 'observed') {
    let seen = 0;
    for (const growth of GROWTH) {
      const { weak, instances } = await runOnce(row, subject, effort, (row.instances * growth) / 4);
      if (weak > 0) return;
      seen += instances;
    }
    must(
      false,
      () =>
        `${row.test} ${row.access} never showed its weak outcome in ${seen} instances; on this processor it must`,
    );
  }
  const result = await runOnce(row, subject, effort, row.instances * effort.times);
  must(
    verdict !== 'forbidden' || result.weak === 0,
    () => `${result.weak} forbidden outcomes\n${printLitmus([result])}`,
  );
}

interface LivenessOrders {
  readonly op: 'readOnce' | 'load' | 'loadAcquire' | 'writeOnce' | 'store' | 'storeRelease';
  readonly at: number;
  readonly rounds: number;
}

/** CPU 0 counts the word up; CPU 1 reads it in a loop until it is there, and answers how many values it saw. */
export const countAndLook: Job<LivenessOrders, number> = ({ isa, id, barrier, args: { op, at, rounds } }) => {
  const write = op === 'writeOnce' || op === 'store' || op === 'storeRelease' ? isa[op] : isa.store;
  const read = op === 'readOnce' || op === 'load' || op === 'loadAcquire' ? isa[op] : isa.load;
  // The loop is compiled before it counts.
  const look = (): number => {
    let values = 0;
    let last = 0;
    while (last < rounds) {
      const now = read(at);
      must(now >= last, () => `${op}: the word went back from ${last} to ${now}`);
      if (now !== last) values += 1;
      last = now;
    }
    return values;
  };
  if (id === 1) isa.store(at, rounds);
  for (let warm = 0; id === 1 && warm < 20_000; warm += 1) look();
  if (id === 1) isa.store(at, 0);
  barrier();
  if (id === 1) return look();
  for (let value = 1; value <= rounds; value += 1) write(at, value);
  return 0;
};

function liveness(op: LivenessOrders['op']): Row {
  return {
    name: `${op} in a hot loop is performed each time`,
    async run(subject, effort) {
      for (const growth of GROWTH) {
        const machine = createMachine({ cpus: 2 });
        const args: LivenessOrders = { op, at: machine.alloc(64), rounds: 100_000 * growth };
        const job = { module: import.meta.url, name: 'countAndLook' };
        const crew = { machine, engine: engineFor(subject), job, args };
        const [, values] = await runToEnd<LivenessOrders, number>(crew, effort);
        if (values! >= 10) return;
      }
      must(false, () => `${op}: a loop never saw more than a few of the values that the word went through`);
    },
  };
}

const MIXED = new Set(['SB seqcst', 'SB once+mb', 'MP plain+relacq', 'MP once+wmb+rmb', 'MP storeWake+load']);

function nameOf({ test, access }: LitmusRow): string {
  return `${test} ${access}`;
}

export const orderingRows: readonly Row[] = [
  ...litmusRows.map(
    (row): Row => ({
      name: `litmus ${nameOf(row)}`,
      mixed: MIXED.has(nameOf(row)),
      run: (subject, effort) => litmus(row, subject, effort),
    }),
  ),
  ...(['readOnce', 'load', 'loadAcquire', 'writeOnce', 'store', 'storeRelease'] as const).map(liveness),
];
