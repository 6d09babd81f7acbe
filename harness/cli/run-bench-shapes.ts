/**
 * Runs `lockrig bench mm page_fault1 …`: shapes of will-it-scale over the model.
 */
import { join } from 'node:path';
import { banner, describeMachine } from '../../bench/machine.ts';
import { type ScalePoint, scale } from '../../bench/mm/scale.ts';
import { scaledCsv, scaledRows, scaledText } from '../../bench/mm/scaled.ts';
import type { Row } from '../../bench/section.ts';
import { writeWhole } from '../report/files.ts';
import { EXIT } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { type ShapeChoices, shapeChoices } from './shape-options.ts';
import type { Raw } from './values.ts';

/** Windows; times in milliseconds. */
const FULL = { rounds: 12, warmup: 300, window: 100 } as const;
const QUICK = { rounds: 4, warmup: 100, window: 30 } as const;

type Options = Readonly<Record<string, Raw>>;

/** What is written; plain data that survives JSON. */
interface ShapeReport {
  readonly schemaVersion: 1;
  readonly command: 'bench mm';
  readonly complete: boolean;
  readonly machine: ReturnType<typeof describeMachine>;
  readonly regime: string;
  readonly cpus: readonly number[];
  readonly budget: typeof FULL | typeof QUICK;
  readonly rows: readonly Row[];
}

interface Out {
  /** Says something, unless stdout is for data. */
  say(text: string): void;
  readonly live: ((text: string) => void) | undefined;
}

async function measureAll(
  { shapes, regime, cpus, csv }: ShapeChoices,
  budget: ShapeReport['budget'],
  interrupt: Interrupt,
  out: Out,
  told: (rows: readonly Row[]) => void,
): Promise<{ rows: Row[]; stalled: boolean }> {
  const rows: Row[] = [];
  let stalled = false;
  for (const shape of shapes) {
    const points: ScalePoint[] = [];
    const { signal } = interrupt;
    const now = (): Row[] => [...rows, ...scaledRows(shape, points)];
    try {
      const tell = (point: ScalePoint): void => {
        points.push(point);
        stalled ||= [point.threads, point.processes].some((each) => 'stalled' in each);
        told(now());
        out.live?.(`bench mm: ${shape}, ${point.tasks} tasks`);
      };
      out.live?.(`bench mm: ${shape}`);
      await scale({ shape, regime, cpus, ...budget, signal }, tell);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (points.length > 0) {
      const mine = scaledRows(shape, points);
      rows.push(...mine);
      out.say(scaledText(shape, mine));
      if (csv === true) process.stdout.write(scaledCsv(points));
      else if (csv !== undefined) writeWhole(join(csv.folder, `${shape}.csv`), scaledCsv(points));
    }
    if (signal.aborted) break;
  }
  return { rows, stalled };
}

/** Runs it. @returns the exit code */
export async function runBenchShapes(names: readonly string[], options: Options): Promise<number> {
  const choices = await shapeChoices(names, options);
  const json = options.json === true || options.json === '-';
  const file = typeof options.json === 'string' && !json ? options.json : undefined;
  const quiet = json || choices.csv === true;
  const machine = describeMachine({ available: false, reason: 'the model has none' });
  const budget = options.quick ? QUICK : FULL;
  const { createLogUpdate } = await import('log-update');
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const say = (text: string): void => {
    live?.clear();
    if (!quiet) process.stdout.write(`${text}\n\n`);
  };
  const reportOf = (rows: readonly Row[], complete: boolean): ShapeReport => ({
    schemaVersion: 1,
    command: 'bench mm',
    complete,
    machine,
    regime: choices.regime,
    cpus: choices.cpus,
    budget,
    rows,
  });
  const write = (report: ShapeReport): void => {
    if (file !== undefined) writeWhole(file, `${JSON.stringify(report, null, 2)}\n`);
  };
  // What cannot be written is known before anything is measured.
  write(reportOf([], false));
  const { csv } = choices;
  if (csv !== undefined && csv !== true)
    for (const shape of choices.shapes) writeWhole(join(csv.folder, `${shape}.csv`), scaledCsv([]));
  const interrupt = new Interrupt();
  try {
    say(
      [
        ...banner(machine)
          .split('\n')
          .filter((line) => !line.startsWith('native peers')),
        `regime ${choices.regime}; ${choices.cpus.join(', ')} tasks, ${budget.rounds} windows of ${budget.window} ms each, four times as long with more tasks than cores; idle: the share of the cores' time that tasks left`,
      ].join('\n'),
    );
    const out: Out = { say, live };
    const { rows, stalled } = await measureAll(choices, budget, interrupt, out, (some) =>
      write(reportOf(some, false)),
    );
    const report = reportOf(rows, !interrupt.signal.aborted);
    write(report);
    if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    if (!report.complete) {
      say('interrupted: these are the figures up to then');
      return EXIT.interrupted;
    }
    if (stalled) return EXIT.stall;
    return rows.some(({ problem }) => problem !== undefined) ? EXIT.violation : EXIT.clean;
  } finally {
    live?.clear();
    interrupt.dispose();
  }
}
