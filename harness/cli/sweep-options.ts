/**
 * The options of `lockrig bench locks`: axes and how long to measure, read before anything is loaded that measures.
 */
import type { Command } from 'cac';
import type { WaitingPolicy } from '../../src/arch/index.ts';
import { MAX_CPUS } from '../../src/memory/limits.ts';
import { UsageError } from './errors.ts';
import { oneOf, type Raw, share, whole, word } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const SECOND = 1e9;
const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: SECOND };
const POLICIES: readonly WaitingPolicy[] = ['spin', 'spin-then-park', 'park'];
const MOST_LOCKS = 65_536;
const MOST_FORKS = 1000;

/** What was asked for; what was not is for the sweep to choose. */
export interface SweepChoices {
  readonly cpus?: number[];
  readonly section?: number[];
  readonly outside?: number[];
  readonly reads?: number[];
  readonly waiting?: WaitingPolicy[];
  readonly locks?: number[];
  readonly forks?: number;
  readonly product: boolean;
  /** Whether lock statistics are kept. */
  readonly stat: boolean;
  readonly compare?: string;
  /** A share. */
  readonly threshold: number;
  readonly force: boolean;
  readonly out?: string;
}

/** The names of the options, as they arrive, that only `bench locks` has. */
const OWN = [
  'cpus',
  'section',
  'outside',
  'reads',
  'waiting',
  'locks',
  'forks',
  'product',
  'compare',
  'threshold',
  'force',
  'out',
  'stat',
] as const;

/** Adds the options to the command. */
export function addSweepOptions(command: Command): Command {
  return command
    .option('--cpus <list>', 'bench locks: CPUs, as in 1,2,8 (default: 1, 2, 4 … to four times the cores)')
    .option(
      '--section <list>',
      'bench locks: lengths of the section, as in 0,100ns,1us (default: 100ns,0,1us,10us)',
    )
    .option('--outside <list>', 'bench locks: time outside of it (default: 100ns,0,1us)')
    .option('--reads <list>', 'bench locks: shares of reads (default: 0,0.5,0.95 where a lock knows readers)')
    .option('--waiting <list>', 'bench locks: spin-then-park, spin, park (default: all)')
    .option('--locks <list>', 'bench locks: how many locks CPUs choose from (default: 1,16)')
    .option('--product', 'bench locks: all combinations, not one axis at a time')
    .option('--forks <n>', 'bench locks: how often, in processes that are new (default: 7; with --quick 3)')
    .option(
      '--out <dir>',
      'bench locks: locks.json in this folder, written as it goes, and in the end report.html',
    )
    .option(
      '--stat',
      'bench locks: keep lock statistics, for lockrig top on the folder of --out; the figures have their cost in them',
    )
    .option('--compare <file>', 'bench locks: against an earlier locks.json; exit 1 when something got worse')
    .option('--threshold <share>', 'bench locks: by how much it may get worse (default: 5%)')
    .option('--force', 'bench locks: compare although machine, Node or options differ');
}

/** @throws UsageError when options are given that only `bench locks` has */
export function refuseSweepOptions(options: Options): void {
  const given = OWN.filter((name) => options[name] !== undefined);
  if (given.length > 0)
    throw new UsageError(
      `--${given[0]} goes with lockrig bench locks: write 'locks' before the names of locks`,
    );
}

/** A list with commas between, each read by `one`; none twice. */
function list<T>(name: string, raw: Raw, one: (text: string) => T): T[] | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw === 'boolean' || Array.isArray(raw))
    throw new UsageError(`--${name} takes one list, with commas between: --${name} 1,2`);
  return [
    ...new Set(
      String(raw)
        .split(',')
        .map((text) => one(text.trim())),
    ),
  ];
}

/** @returns nanoseconds */
function length(name: string, text: string): number {
  const [, number, unit = 'ns'] = /^(\d+(?:\.\d+)?)(ns|us|ms|s)?$/.exec(text) ?? [];
  const value = Number(number) * (UNITS[unit] ?? 1);
  if (number === undefined || value > SECOND)
    throw new UsageError(
      `--${name} ${text} is not right: times such as 0, 100ns or 1us are expected, up to 1s`,
    );
  return value;
}

/** `5%` or 0.05. */
function thresholdOf(raw: Raw): number {
  if (raw === undefined) return 0.05;
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(String(raw)) ?? [];
  const value = percent === undefined ? Number(raw === true ? Number.NaN : raw) : Number(percent) / 100;
  if (!(value >= 0 && value <= 1))
    throw new UsageError(
      `--threshold ${raw === true ? '' : raw} is not right: a share such as 5% or 0.05 is expected`,
    );
  return value;
}

/** Reads the options. @throws UsageError */
export function sweepChoices(options: Options): SweepChoices {
  const numbers = (name: 'cpus' | 'locks', most: number): number[] | undefined =>
    list(name, options[name], (text) => whole(name, text, 1, most)!);
  const times = (name: 'section' | 'outside'): number[] | undefined =>
    list(name, options[name], (text) => length(name, text));
  const compare = word('compare', options.compare);
  if (compare === undefined && (options.threshold !== undefined || options.force !== undefined))
    throw new UsageError(`--${options.force ? 'force' : 'threshold'} goes with --compare FILE`);
  if (options.stat && options.out === undefined)
    throw new UsageError('--stat goes with --out DIR: that is where the statistics go');
  const given = {
    cpus: numbers('cpus', MAX_CPUS),
    section: times('section'),
    outside: times('outside'),
    reads: list('reads', options.reads, (text) => share('reads', text)!),
    waiting: list('waiting', options.waiting, (text) => oneOf('waiting', text, POLICIES)!),
    locks: numbers('locks', MOST_LOCKS),
    forks: whole('forks', options.forks, 1, MOST_FORKS),
    compare,
    out: word('out', options.out),
  };
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Omit<
      SweepChoices,
      'product' | 'threshold' | 'force' | 'stat'
    >),
    product: options.product === true,
    stat: options.stat === true,
    threshold: thresholdOf(options.threshold),
    force: options.force === true,
  };
}
