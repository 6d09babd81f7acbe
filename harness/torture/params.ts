/**
 * The parameters of a torture run: what they mean, their defaults, what is refused.
 */
import type { WaitingPolicy } from '../../src/arch/index.ts';
import type { OracleName } from '../../src/locking/define.ts';
import { type Engine, MAX_CPUS } from '../../src/memory/index.ts';
import type { Chaos } from '../engines/traced/chaos.ts';

/** One access in so many is delayed, unless told otherwise. */
const ONE_IN = 256;

/** Parameters of a run; all optional on the way in. */
export interface TortureParams {
  /** Real threads, each a CPU. */
  cpus: number;
  /** Milliseconds; the run ends at the first round boundary after it. Ignored when `rounds` is set. */
  duration: number;
  /** Rounds to run; each ends with all CPUs at rest. 0: by duration. */
  rounds: number;
  seed: number;
  /** Milliseconds of an occasional long hold; 0: none. */
  longHold: number;
  /** Microseconds of an occasional short hold; 0: none. */
  shortDelay: number;
  /** Milliseconds of running and then of pausing, in turn; 0: no pauses. */
  stutter: number;
  /** Further locks of the same class taken inside, 0 to 8, a random subset each time. */
  nested: number;
  /** Share of acquisitions that are trylocks, 0 to 1, where the lock has them. */
  try: number;
  /** Share of writers that downgrade, of readers that try to upgrade. */
  downgrade: number;
  upgrade: number;
  /** Share of read acquisitions, for kinds that have them. */
  reads: number;
  /** CPUs that only read or only write; the others do both. */
  readers: number;
  writers: number;
  /** Milliseconds between one CPU leaving and another joining; 0: none. */
  hotplug: number;
  engine: Engine;
  waiting: WaitingPolicy;
  failFast: boolean;
  /** Oracles that are off: for the self-test of the torture only. */
  disabled: readonly OracleName[];
  /** Milliseconds without progress that make a stall. */
  stallAfter: number;
  /** What is recorded of accesses: nothing, what each CPU did last, or that in the exact order between them. */
  trace: 'off' | 'ring' | 'order';
  /** Random delays at accesses; they imply a ring. */
  chaos: Chaos;
  /** What is watched for while CPUs run free: data races, or nothing. */
  detect: readonly 'races'[];
  /** One access in so many is delayed. */
  chaosOneIn: number;
  /** Of a workload: which of its regimes; '' is the first. */
  regime: string;
  /** Of a workload: weights of operations that are not as stated. */
  weights: Readonly<Record<string, number>>;
  /** Of a workload: sizes that are not as stated. */
  sizes: Readonly<Record<string, number>>;
  /** Of a workload: milliseconds from one check to the next; 0: 50. */
  checkEvery: number;
}

/** The parameters that a run has unless told otherwise. */
export const DEFAULTS: TortureParams = {
  cpus: 2,
  duration: 10_000,
  rounds: 0,
  seed: 1,
  longHold: 0,
  shortDelay: 2,
  stutter: 0,
  nested: 0,
  try: 0.1,
  downgrade: 0.1,
  upgrade: 0.05,
  reads: 0.75,
  readers: 0,
  writers: 0,
  hotplug: 0,
  engine: 'wasm',
  waiting: 'spin-then-park',
  failFast: false,
  disabled: [],
  stallAfter: 5000,
  trace: 'off',
  detect: [],
  chaos: 'none',
  chaosOneIn: ONE_IN,
  regime: '',
  weights: {},
  sizes: {},
  checkEvery: 0,
};

/** A parameter that makes no sense. */
export class ParameterError extends RangeError {
  readonly code = 'EPARAMETER';
  constructor(message: string) {
    super(message);
    this.name = 'ParameterError';
  }
}

function between(name: string, value: number, low: number, high: number, whole: boolean): void {
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
    throw new ParameterError(
      `${name} must be ${whole ? 'a whole number' : 'a number'} from ${low} to ${high}, not ${value}`,
    );
  }
}

/**
 * Fills in the defaults.
 * @throws ParameterError when a value makes no sense
 */
export function withDefaults(given: Partial<TortureParams>): TortureParams {
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const params: TortureParams = { ...DEFAULTS, ...defined };
  between('cpus', params.cpus, 1, MAX_CPUS, true);
  between('duration', params.duration, 1, 2 ** 31 - 1, false);
  between('rounds', params.rounds, 0, 2 ** 31 - 1, true);
  between('seed', params.seed, 0, 2 ** 32 - 1, true);
  between('longHold', params.longHold, 0, 3_600_000, false);
  between('shortDelay', params.shortDelay, 0, 1_000_000, false);
  between('stutter', params.stutter, 0, 3_600_000, false);
  between('nested', params.nested, 0, 8, true);
  for (const share of ['try', 'downgrade', 'upgrade', 'reads'] as const)
    between(share, params[share], 0, 1, false);
  between('readers', params.readers, 0, params.cpus, true);
  between('writers', params.writers, 0, params.cpus - params.readers, true);
  between('hotplug', params.hotplug, 0, 3_600_000, false);
  between('chaosOneIn', params.chaosOneIn, 1, 2 ** 20, true);
  between('stallAfter', params.stallAfter, 100, 3_600_000, false);
  between('checkEvery', params.checkEvery, 0, 3_600_000, false);
  for (const name of params.detect)
    if (name !== 'races')
      throw new ParameterError(`'${String(name)}' is not watched for while CPUs run free: only races are`);
  return params;
}

/** What a workload was told; nothing of what its CPUs do is a lock's. */
function chosen({ regime, checkEvery, weights, sizes, stutter }: TortureParams): string[] {
  const pairs = (all: Readonly<Record<string, number>>): string[] =>
    Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return [
    ...(regime === '' ? [] : [`regime=${regime}`]),
    `check_every=${checkEvery}ms`,
    ...(stutter === 0 ? [] : [`stutter=${stutter}ms`]),
    ...pairs(weights),
    ...pairs(sizes),
  ];
}

function ofLocks(params: TortureParams): string[] {
  return [
    `long_hold=${params.longHold}ms`,
    `short_delay=${params.shortDelay}us`,
    `stutter=${params.stutter}ms`,
    `nested=${params.nested}`,
    `try=${params.try}`,
    `downgrade=${params.downgrade}`,
    `upgrade=${params.upgrade}`,
    `reads=${params.reads}`,
    `readers=${params.readers}`,
    `writers=${params.writers}`,
    `hotplug=${params.hotplug}ms`,
  ];
}

/** The parameters as locktorture echoes its own: `cpus=2 duration=10s …`, those that differ from nothing. */
export function echo(params: TortureParams): string {
  const time = params.rounds > 0 ? `rounds=${params.rounds}` : `duration=${params.duration / 1000}s`;
  return [
    `cpus=${params.cpus}`,
    time,
    `seed=${params.seed}`,
    `isa=${params.engine}`,
    `waiting=${params.waiting}`,
    ...(Object.keys(params.weights).length > 0 ? chosen(params) : ofLocks(params)),
    ...(params.trace === 'off' ? [] : [`trace=${params.trace}`]),
    ...(params.detect.length === 0 ? [] : [`detect=${params.detect.join(',')}`]),
    ...(params.chaos === 'none' ? [] : [`chaos=${params.chaos}:${params.chaosOneIn}`]),
    ...(params.disabled.length > 0 ? [`oracles_off=${params.disabled.join(',')}`] : []),
  ].join(' ');
}
