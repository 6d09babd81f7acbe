/**
 * Litmus tests at the rate of the hardware: what two CPUs can really see of each other's accesses.
 *
 * Two CPUs, each bound to a core, run batches of instances side by side. Unbound, the scheduler likes to put
 * both on one core, because they wake each other: then nothing overlaps and nothing is weak.
 *
 * What decides how many outcomes a second there are, and how many are weak, is where the words of the
 * instances lie (`Layout`): instances that share cache lines pay one line transfer for several outcomes, and
 * the transfer keeps a store in its buffer while the loads behind it go on. SB on wasm, Node 20, two cores of
 * a 2.5 GHz Xeon that others used, too; million outcomes a second in the fastest 32 batches, and the share of
 * weak ones in the whole run:
 *
 *            plain          once            seqcst
 *   pairs    105   21-26 %  38   0.6-1.1 %  33   0
 *   packed   115    8-18 %  34   0.9-4.9 %  22   0
 *   long     125     3-4 %  24   0.4-0.9 %  16   0
 *   line      65   23-32 %  37   0.6-6.1 %  28   0
 *   lines     56   19-32 %  28   1.4-6.7 %  22   0
 *   arrays   131  0.4-0.8 %  27       2.6 %  20   0
 *
 * The weak outcomes of plain accesses are the hardware's: in the code that V8 makes of the loop (Node 20, 22,
 * 24 and 26, x64) the store stands before the load.
 */
import { createMachine } from '../src/memory/index.ts';
import { type EngineRef, startCrew } from './crew.ts';
import { type LitmusOrders, type LitmusTally, WINDOW } from './litmus-cpu.ts';
import {
  type Access,
  type LitmusName,
  type LitmusTest,
  litmusTests,
  outcomeName,
  type Recipe,
  recipes,
} from './litmus-tests.ts';

/** Where the instances of a batch lie, and how many there are. */
export interface Layout {
  /** Bytes from an instance's x to the next instance's x; a multiple of 4. */
  readonly stride: number;
  /** Bytes from x to y of one instance, less than `stride`; or `apart`: the ys are an array of their own. */
  readonly y: number | 'apart';
  /** Instances between two barriers; a multiple of 32. */
  readonly batch: number;
}

/** Layouts by name. */
export const layouts = {
  /** Four instances a line, x beside its y. */
  packed: { stride: 16, y: 8, batch: 1024 },
  /** Two instances a line. */
  pairs: { stride: 32, y: 16, batch: 1024 },
  /** The same in batches so long that a barrier costs nothing, even where others use the cores, too. */
  long: { stride: 32, y: 16, batch: 4096 },
  /** A line an instance, x and y on it. */
  line: { stride: 64, y: 32, batch: 512 },
  /** x and y on lines of their own: the least false sharing, the fewest outcomes. */
  lines: { stride: 64, y: 'apart', batch: 128 },
  /** Sixteen xs a line, sixteen ys a line. */
  arrays: { stride: 4, y: 'apart', batch: 1024 },
} as const satisfies Record<string, Layout>;

/** What to run. */
export interface LitmusOptions {
  readonly test: LitmusName;
  /** A recipe of accesses, by name or spelled out. */
  readonly access: Access | Recipe;
  /** At least this many instances; 1,000,000 unless given. */
  readonly instances?: number;
  /** `pairs` unless given. */
  readonly layout?: keyof typeof layouts | Layout;
  /** `wasm` unless given; one for both CPUs or one each. */
  readonly engine?: EngineRef | readonly [EngineRef, EngineRef];
  /** Whether to bind each CPU to a core of its own, where the system can; it does unless told not to. */
  readonly pin?: boolean;
  /** Seed of the CPUs' skew. */
  readonly seed?: number;
  /** Milliseconds until the run is given up; 60,000 unless given. */
  readonly deadline?: number;
  /** Gives the run up. */
  readonly signal?: AbortSignal | undefined;
}

/** What came out. */
export interface LitmusResult {
  readonly test: LitmusName;
  readonly access: string;
  readonly engine: string;
  readonly layout: string;
  /** Whether each CPU had a core of its own. */
  readonly pinned: boolean;
  readonly instances: number;
  /** Instances by outcome, in litmus7's notation. */
  readonly outcomes: Record<string, number>;
  /** The outcome that no interleaving of the two CPUs gives. */
  readonly weakOutcome: string;
  readonly weak: number;
  readonly weakShare: number;
  readonly seconds: number;
  /** Outcomes a second after the warm-up; whoever shares the cores lowers it. */
  readonly perSecond: number;
  /** The same over the fastest 32 batches in a row, when both CPUs had their cores. */
  readonly peakPerSecond: number;
}

const SKEW = 16;
const WARMUP = 64;
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const job = { module: new URL(`./litmus-cpu${extension}`, import.meta.url).href, name: 'litmusCpu' };

function named<Value>(what: string, name: string, table: Readonly<Record<string, Value>>): Value {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  if (value === undefined)
    throw new RangeError(`there is no ${what} '${name}': it is one of ${Object.keys(table).join(', ')}`);
  return value;
}

function checked(layout: Layout): Layout {
  const { stride, y, batch } = layout;
  if (!(Number.isInteger(stride) && stride >= 4 && stride % 4 === 0))
    throw new RangeError(`a layout's stride is a multiple of 4 bytes, not ${stride}`);
  if (y !== 'apart' && !(Number.isInteger(y) && y >= 4 && y % 4 === 0 && y < stride))
    throw new RangeError(
      `a layout's y is 'apart', or a multiple of 4 bytes from 4 to below the stride ${stride}, not ${y}`,
    );
  if (!(Number.isInteger(batch) && batch >= 32 && batch % 32 === 0))
    throw new RangeError(`a layout's batch is a multiple of 32 instances, not ${batch}`);
  return layout;
}

const nameOfEngine = (engine: EngineRef): string => (typeof engine === 'string' ? engine : engine.factory);

/**
 * Runs a litmus test on two CPUs.
 * @throws RangeError for an unknown test, access or layout, and for a layout that cannot be
 */
export async function runLitmus(options: LitmusOptions): Promise<LitmusResult> {
  const {
    test: name,
    instances = 1_000_000,
    engine = 'wasm',
    pin = true,
    seed = 1,
    deadline,
    signal,
  } = options;
  const test: LitmusTest = named('litmus test', name, litmusTests);
  const { access = 'once', layout: place = 'pairs' } = options;
  const recipe: Recipe = typeof access === 'string' ? named('access', access, recipes) : access;
  const layout = checked(typeof place === 'string' ? named<Layout>('layout', place, layouts) : place);
  if (!(instances >= 1 && instances <= 1e12))
    throw new RangeError(`a litmus run has 1 to 10^12 instances, not ${instances}`);
  const { stride, y, batch } = layout;

  const span = Math.ceil((batch * stride) / 64) * 64;
  const machine = createMachine({ cpus: 2, bytes: 3 * span + batch + 65536 });
  const x = machine.alloc(y === 'apart' ? 2 * span : span);
  const batches = Math.ceil(instances / batch);
  const warmup = Math.min(WARMUP, batches >>> 1);
  const args: LitmusOrders = {
    test: name,
    recipe,
    batches,
    warmup,
    instancesPerBatch: batch,
    stride,
    x,
    y: x + (y === 'apart' ? span : y),
    registers: [machine.alloc(batch / 4), machine.alloc(batch / 4)],
    own: [machine.alloc(64), machine.alloc(64)],
    skew: SKEW,
    seed,
  };
  const engines = typeof engine === 'object' && 'length' in engine ? engine : ([engine, engine] as const);
  const crew = startCrew<LitmusOrders, LitmusTally>({
    machine,
    engine: (cpu) => engines[cpu === 0 ? 0 : 1],
    job,
    args,
    pin,
    signal,
    ...(deadline === undefined ? {} : { deadline }),
  });
  const halves = await crew.results;
  const pinned = await crew.pinned;

  const outcomes: Record<string, number> = {};
  for (const { counts } of halves) {
    for (const [bits, count] of counts.entries()) {
      if (count === 0) continue;
      const key = outcomeName(test, bits);
      outcomes[key] = (outcomes[key] ?? 0) + count;
    }
  }
  const weak = outcomes[test.weak] ?? 0;
  const total = batches * batch;
  const milliseconds = Math.max(...halves.map((half) => half.milliseconds));
  const fastest = Math.min(...halves.map((half) => half.fastest));
  const perSecond = ((batches - warmup) * batch * 1000) / milliseconds;
  return {
    test: name,
    access: typeof access === 'string' ? access : JSON.stringify(access),
    engine: [...new Set(engines.map(nameOfEngine))].join('+'),
    layout: typeof place === 'string' ? place : JSON.stringify(layout),
    pinned,
    instances: total,
    outcomes,
    weakOutcome: test.weak,
    weak,
    weakShare: weak / total,
    seconds: milliseconds / 1000,
    perSecond,
    peakPerSecond: Number.isFinite(fastest) ? (WINDOW * batch * 1000) / fastest : perSecond,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(4)} %`;
const millions = (rate: number): string => (rate / 1e6).toFixed(1);

function histogram({ outcomes, weakOutcome }: LitmusResult): string[] {
  const rows = Object.entries(outcomes).sort(([a], [b]) => (a < b ? -1 : 1));
  const width = Math.max(...rows.map(([, count]) => String(count).length));
  return rows.map(
    ([outcome, count]) => `${String(count).padEnd(width)} ${outcome === weakOutcome ? '*' : ':'}>${outcome}`,
  );
}

/** A report in litmus7's manner. */
export function printLitmus(rows: readonly LitmusResult[]): string {
  return rows
    .map((row) => {
      const rest = row.instances - row.weak;
      const often = row.weak === 0 ? 'Never' : rest === 0 ? 'Always' : 'Sometimes';
      return [
        `Test ${row.test} ${row.access} (engine ${row.engine}, layout ${row.layout}, ${row.pinned ? 'pinned' : 'not pinned'})`,
        `Histogram (${Object.keys(row.outcomes).length} states)`,
        ...histogram(row),
        '',
        'Witnesses',
        `Positive: ${row.weak}, Negative: ${rest}`,
        `Observation ${row.test} ${often} ${row.weak} ${rest}`,
        `Time ${row.test} ${row.seconds.toFixed(2)}`,
        `Rate ${millions(row.perSecond)} M outcomes/s (at best ${millions(row.peakPerSecond)}), ${percent(row.weakShare)} weak`,
        '',
      ].join('\n');
    })
    .join('\n');
}
