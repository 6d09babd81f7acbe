/**
 * What one CPU may see of another's accesses: the litmus rows of the table, and that an access which must be
 * performed is performed, however hot the loop it stands in.
 */
import type { Job } from '../../bench/crew.ts';
import { printLitmus, runLitmus } from '../../bench/litmus.ts';
import { createMachine } from '../../src/memory/index.ts';
import { type Effort, engineFor, must, type Row, runToEnd } from './rows.ts';
import { type LitmusRow, litmusRows, type Subject, verdictOf } from './table.ts';

/**
 * Milliseconds of growing budgets before what must be seen counts as never seen: CPUs that share their cores
 * with many are seldom awake together.
 */
const SEARCH = 150_000;

/** 1, 4, 16 ... until {@link SEARCH} is over. */
function* growth(): Generator<number> {
  const start = performance.now();
  for (let times = 1; times === 1 || performance.now() - start < SEARCH; times *= 4) yield times;
}

/**
 * Tests whose weak outcome takes a store that waits in its buffer: most likely where instances lie far apart
 * and batches are short.
 */
const BUFFERED: ReadonlySet<string> = new Set(['SB', 'R']);
/** Instances in that layout, which is slow. */
const BUFFERED_SHARE = 250_000;

async function runOnce(
  row: LitmusRow,
  subject: Subject,
  seed: number,
  layout: 'long' | 'lines',
  instances: number,
) {
  const engine = engineFor(subject);
  const { test, access } = row;
  const engines = [engine(0), engine(1)] as const;
  const result = await runLitmus({
    test,
    access,
    instances,
    layout,
    engine: engines,
    seed,
    deadline: 600_000,
  });
  const lost = Object.keys(result.outcomes).find((outcome) => outcome.includes('lost'));
  must(lost === undefined, () => `${lost}\n${printLitmus([result])}`);
  return result;
}

async function observe(row: LitmusRow, subject: Subject, seed: number): Promise<void> {
  let seen = 0;
  for (const times of growth()) {
    const { weak, instances } = await runOnce(row, subject, seed, 'lines', BUFFERED_SHARE * times);
    if (weak > 0) return;
    seen += instances;
  }
  const what = `${row.test} ${row.access}`;
  must(false, () => `${what} never showed its weak outcome in ${seen} instances; on this processor it must`);
}

/** Runs one litmus row and holds it against the table. */
async function litmus(row: LitmusRow, subject: Subject, { times, seed }: Effort): Promise<void> {
  const verdict = verdictOf(row, subject);
  if (verdict === 'observed') return observe(row, subject, seed);
  const shares: ['lines' | 'long', number][] = [['long', row.instances]];
  if (BUFFERED.has(row.test)) shares.unshift(['lines', BUFFERED_SHARE]);
  for (const [layout, instances] of shares) {
    const result = await runOnce(row, subject, seed, layout, instances * times);
    const fine = verdict !== 'forbidden' || result.weak === 0;
    must(fine, () => `${result.weak} forbidden outcomes\n${printLitmus([result])}`);
  }
}

interface LivenessOrders {
  readonly op: 'readOnce' | 'load' | 'loadAcquire' | 'writeOnce' | 'store' | 'storeRelease';
  readonly at: number;
  readonly rounds: number;
}

/**
 * CPU 0 counts the word up; CPU 1 reads it in a loop until it is there, and answers how many values it saw.
 */
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
      for (const times of growth()) {
        const machine = createMachine({ cpus: 2 });
        const args: LivenessOrders = { op, at: machine.alloc(64), rounds: 100_000 * times };
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
      long: 10,
      run: (subject, effort) => litmus(row, subject, effort),
    }),
  ),
  ...(['readOnce', 'load', 'loadAcquire', 'writeOnce', 'store', 'storeRelease'] as const).map(liveness),
];
