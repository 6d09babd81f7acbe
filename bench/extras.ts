/**
 * The sections that have a report of their own: what the hardware lets two CPUs see, what sharing a cache
 * line costs, and whether the torture catches what it must. Each brings its text, and the rows that bars are
 * held against.
 */
import { selfTest } from '../harness/torture/selftest.ts';
import { benchInstructions } from './instructions.ts';
import { printLitmus, runLitmus } from './litmus.ts';
import { paddingProbe, printPadding } from './padding.ts';
import type { Row, Surroundings } from './section.ts';
import { exactly, type Figure } from './stats.ts';
import { columns } from './table.ts';

/** What a section answers that prints itself. */
export interface Printed {
  readonly rows: readonly Row[];
  readonly text: string;
}

function row(name: string, figures: Record<string, Figure>): Row {
  return { name, judged: true, fifo: false, parties: {}, figures };
}

/** Store buffering (SB) by plain, by relaxed atomic and by sequentially consistent accesses. */
export async function litmus({ budget, signal, progress }: Surroundings): Promise<Printed> {
  const results = [];
  for (const access of ['plain', 'once', 'seqcst'] as const) {
    const instances = access === 'seqcst' ? budget.litmus.ordered : budget.litmus.instances;
    signal?.throwIfAborted();
    progress(`litmus: SB ${access}`);
    results.push(await runLitmus({ test: 'SB', access, instances }));
  }
  const rows = results.map(({ test, access, weak, instances, perSecond }) =>
    row(`${test} ${access}`, {
      weak: exactly(weak),
      share: exactly(weak / instances),
      'outcomes/s': exactly(perSecond),
    }),
  );
  return { rows, text: printLitmus(results).trimEnd() };
}

/** What one operation costs, engine beside engine. */
export async function instructions({ budget, progress }: Surroundings): Promise<Printed> {
  progress('instructions');
  const costs = await benchInstructions({ time: budget.instructions.time });
  const engines = [...new Set(costs.map(({ engine }) => engine))];
  const operations = [...new Set(costs.map(({ operation }) => operation))];
  const cost = (operation: string, engine: string): number =>
    costs.find((each) => each.operation === operation && each.engine === engine)?.ns ?? Number.NaN;
  const rows = operations.map((operation) =>
    row(operation, Object.fromEntries(engines.map((engine) => [engine, exactly(cost(operation, engine))]))),
  );
  const lines = operations.map((operation) => [
    operation,
    ...engines.map((engine) => cost(operation, engine).toFixed(1)),
  ]);
  const head = 'One CPU: ns an operation, called from JavaScript, with the loop around it (row loop).';
  return { rows, text: `${head}\n${columns(['operation', ...engines], lines)}` };
}

/** False sharing. */
export async function padding({ budget, progress }: Surroundings): Promise<Printed> {
  progress('padding');
  const measured = await paddingProbe({ ms: budget.padding.time });
  const rows = measured.map(({ operation, distance, ratio, nsPerOp }) =>
    row(`${operation} ${distance}`, { ratio: exactly(ratio), ns: exactly(nsPerOp) }),
  );
  return { rows, text: printPadding(measured) };
}

/** Whether every broken lock is caught. */
export async function selftest({ budget, signal, progress }: Surroundings): Promise<Printed> {
  progress('selftest');
  const { control } = budget.selftest;
  const test = await selfTest({
    control,
    ...(signal ? { signal } : {}),
    onOutcome: ({ name }) => progress(`selftest: ${name}`),
  });
  signal?.throwIfAborted();
  const total = test.outcomes.length;
  const figures: Record<string, Figure> = {
    caught: exactly(test.caught / total),
    'median ms': exactly(test.medianMs),
    ...(control ? { 'without oracles': exactly(test.withoutOracles.length) } : {}),
  };
  const lines = [
    `${test.caught} of ${total} broken locks were caught by the oracle they name, half of them within ${test.medianMs.toFixed(1)} ms; ${test.seconds.toFixed(1)} s in all`,
    ...test.outcomes
      .filter(({ fate }) => fate !== 'caught')
      .map(({ name, fate, by }) => `${name}: ${fate}${by === undefined ? '' : ` by ${by}`}`),
    ...test.withoutOracles.map((name) => `${name} was reported although every oracle was off`),
  ];
  const missing: Record<string, string> = control
    ? {}
    : { 'without oracles': 'it was left out of a quick run' };
  return { rows: [{ ...row('mutants', figures), missing }], text: lines.join('\n') };
}
