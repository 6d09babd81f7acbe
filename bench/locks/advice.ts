/**
 * What the figures say about which lock fits where: from what was measured only, each sentence with the figures that it rests on.
 *
 * A lock is called better than another where windows taken side by side say so in nine of ten cases. Points whose forks differ too much say nothing; locks that
 * cannot be told apart are named together.
 */
import type { Advice, Measured, Setting, SweepPoint } from '../../harness/measure/schema.ts';
import { type Figure, figureOf, tells } from '../stats.ts';
import { rate } from '../table.ts';
import { ratioOfMeasured } from './figures.ts';
import { duration, keyOf, settingText } from './settings.ts';

/** A point with a figure that may be used. */
type Usable = SweepPoint & { readonly throughput: Measured };

/** Throughput with more CPUs than cores, by that with as many: less is a cliff, more is none. */
const CLIFF = { falls: 0.5, holds: 0.8 } as const;
/** Jain's index below which a lock is called unfair. */
const UNFAIR = 0.9;

const usable = (point: SweepPoint): point is Usable =>
  point.throughput !== undefined &&
  point.noisy === undefined &&
  point.stalled === undefined &&
  point.skipped === undefined;

const short = (value: number): string => (Number.isFinite(value) ? value.toPrecision(3) : '∞');
const times = ({ value, low, high }: Figure): string => `${short(value)} × (${short(low)} to ${short(high)})`;
const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** Who is best by a figure: the first and whoever cannot be told from it, and who comes next. */
interface Ranked {
  readonly first: readonly Usable[];
  readonly next: Usable | undefined;
  /** The first by the next. */
  readonly lead: Figure | undefined;
}

/** @param of the figure @param least whether less is better */
function ranked(
  points: readonly Usable[],
  of: (point: Usable) => Measured | undefined,
  least = false,
): Ranked | undefined {
  const known = points.filter((point) => of(point) !== undefined);
  if (known.length < 2) return undefined;
  const sign = least ? 1 : -1;
  const sorted = [...known].sort((a, b) => sign * (of(a)!.median - of(b)!.median));
  const [best] = sorted as [Usable];
  const by = (other: Usable): Figure => ratioOfMeasured(of(best)!, of(other)!);
  const first = sorted.filter((each) => each === best || !tells(by(each), 1));
  const next = sorted.find((each) => !first.includes(each));
  return { first, next, lead: next && by(next) };
}

const names = (points: readonly Usable[]): string[] => points.map(({ lock }) => lock);

function differences(setting: Setting, base: Setting): string {
  const changed = Object.fromEntries(
    Object.entries(setting).filter(([axis, value]) => base[axis as keyof Setting] !== value),
  ) as Partial<Setting>;
  return settingText({ ...base, ...changed })
    .split(', ')
    .filter((part, at) => part !== settingText(base).split(', ')[at])
    .join(', ');
}

function byThroughput(points: readonly Usable[]): Advice | undefined {
  const found = ranked(points, ({ throughput }) => throughput);
  if (!found) return undefined;
  const { first, next, lead } = found;
  const where = settingText(points[0]!);
  if (!next) return { text: `${where}: noise hides which of ${list(names(first))} does most`, evidence: [] };
  const most =
    first.length === 1
      ? `${first[0]!.lock} does most`
      : `${list(names(first))} do most, and noise hides which of them`;
  return {
    text: `${where}: ${most}`,
    evidence: [
      ...first.map(({ lock, throughput }) => `${lock} ${rate(throughput.median)}/s`),
      `${times(lead!)} the next, ${next.lock}`,
    ],
  };
}

function byLatency(points: readonly Usable[]): Advice | undefined {
  const found = ranked(points, ({ p99 }) => p99, true);
  if (!found?.next) return undefined;
  const { first, next } = found;
  const p99 = (point: Usable): string => `${point.lock} ${duration(point.p99!.median)}`;
  return {
    text: `${settingText(points[0]!)}: one wait in a hundred is shortest with ${list(names(first))}`,
    evidence: [...first.map((each) => `p99 of ${p99(each)}`), `next: ${p99(next)}`],
  };
}

function byFairness(points: readonly Usable[]): Advice[] {
  const known = points.filter(({ fairness }) => fairness !== undefined);
  const said = ({ lock, fairness }: Usable): string =>
    `${lock}: Jain's index ${fairness!.jain.toFixed(3)}, greatest share by least ${fairness!.ratio.toFixed(2)}`;
  const unfair = known.filter(
    ({ fairness }) => fairness!.jain < UNFAIR && (fairness!.byFork?.high ?? fairness!.jain) < UNFAIR,
  );
  if (unfair.length === 0) return [];
  const fair = known.filter(({ fairness }) => fairness!.jain >= 0.99 && (fairness!.byFork?.low ?? 1) >= 0.98);
  return [
    {
      text: `${settingText(known[0]!)}: ${list(names(unfair))} ${unfair.length === 1 ? 'starves some CPUs' : 'starve some CPUs'}${fair.length > 0 ? `; ${list(names(fair))} ${fair.length === 1 ? 'shares' : 'share'} evenly` : ''}`,
      evidence: [...unfair, ...fair].map(said),
    },
  ];
}

function cliffs(points: readonly Usable[], base: Setting, cores: number): Advice[] {
  const walk = points.filter((point) => keyOf({ ...point, cpus: base.cpus }) === keyOf(base));
  const most = Math.max(...walk.map(({ cpus }) => cpus));
  if (!(most > cores)) return [];
  const falls: string[] = [];
  const holds: string[] = [];
  const evidence: [string[], string[]] = [[], []];
  for (const there of walk.filter(({ cpus }) => cpus === most)) {
    const here = walk.find(({ lock, cpus }) => lock === there.lock && cpus === cores);
    if (!here) continue;
    const figure = ratioOfMeasured(there.throughput, here.throughput);
    const side = figure.high < CLIFF.falls ? 0 : figure.low > CLIFF.holds ? 1 : undefined;
    if (side === undefined) continue;
    (side === 0 ? falls : holds).push(there.lock);
    evidence[side].push(`${there.lock} ${times(figure)}`);
  }
  const where = `${most} CPUs on ${cores} core${cores === 1 ? '' : 's'}`;
  return [
    ...(falls.length > 0
      ? [
          {
            text: `${where}: ${list(falls)} ${falls.length === 1 ? 'falls' : 'fall'} off a cliff; not for more CPUs than cores`,
            evidence: evidence[0],
          },
        ]
      : []),
    ...(holds.length > 0
      ? [
          {
            text: `${where}: ${list(holds)} ${holds.length === 1 ? 'keeps' : 'keep'} what ${holds.length === 1 ? 'it does' : 'they do'} with ${cores}`,
            evidence: evidence[1],
          },
        ]
      : []),
  ];
}

function failures(points: readonly SweepPoint[]): Advice[] {
  const stalled = points.filter(({ stalled: why }) => why !== undefined);
  const broken = [
    ...new Map(points.filter(({ violation }) => violation).map((each) => [each.lock, each])).values(),
  ];
  return [
    ...broken.map(({ lock, skipped }) => ({
      text: `${lock} is no lock: it has no figures`,
      evidence: [skipped!],
    })),
    ...[...new Set(stalled.map(({ lock }) => lock))].map((lock) => ({
      text: `${lock} does not always come to an end: lockrig torture ${lock} says why`,
      evidence: stalled
        .filter((each) => each.lock === lock)
        .map((each) => `${settingText(each)}: ${each.stalled}`),
    })),
  ];
}

/** Where somebody else is best than at the base. */
function elsewhere(settings: ReadonlyMap<string, readonly Usable[]>, base: Setting): Advice[] {
  const home = ranked(settings.get(keyOf(base)) ?? [], ({ throughput }) => throughput);
  return [...settings.values()].flatMap((points) => {
    const [setting] = points as [Usable];
    if (keyOf(setting) === keyOf(base)) return [];
    const found = ranked(points, ({ throughput }) => throughput);
    if (!found?.next) return [];
    const { first, next, lead } = found;
    const same = home && names(first).some((name) => names(home.first).includes(name));
    if (same) return [];
    return [
      {
        text: `with ${differences(setting, base)}: ${list(names(first))} ${first.length === 1 ? 'does' : 'do'} most${home ? '' : ', as far as noise lets tell'}`,
        evidence: [
          ...first.map(({ lock, throughput }) => `${lock} ${rate(throughput.median)}/s`),
          `${times(lead!)} the next, ${next.lock}`,
        ],
      },
    ];
  });
}

/**
 * What may be said.
 * @param base where every axis but one stays
 * @param cores that the run may use
 */
export function advise(points: readonly SweepPoint[], base: Setting, cores: number): Advice[] {
  const good = points.filter(usable);
  const settings = new Map<string, Usable[]>();
  for (const point of good) settings.set(keyOf(point), [...(settings.get(keyOf(point)) ?? []), point]);
  const home = settings.get(keyOf(base)) ?? [];
  const most = Math.max(0, ...good.map(({ cpus }) => cpus));
  const crowd = settings.get(keyOf({ ...base, cpus: most })) ?? [];
  const places = most === base.cpus ? [home] : [home, crowd];
  const noisy = points.filter((point) => point.noisy !== undefined).length;
  return [
    ...failures(points),
    ...[byThroughput(home)].flatMap((each) => each ?? []),
    ...elsewhere(settings, base),
    ...places.flatMap((place) => byLatency(place) ?? []),
    ...places.flatMap(byFairness),
    ...cliffs(good, base, cores),
    ...(noisy > 0
      ? [
          {
            text: `nothing is said from ${noisy} of ${points.filter(({ throughput }) => throughput).length} points: they are noisy`,
            evidence: [],
          },
        ]
      : []),
  ];
}

/** The throughput of a lock with more CPUs than cores by that with as many; by CPUs. */
export function cliffOf(
  points: readonly SweepPoint[],
  lock: string,
  base: Setting,
  cores: number,
): [cpus: number, Figure][] {
  const mine = points.filter(
    (point) =>
      point.lock === lock && point.throughput && keyOf({ ...point, cpus: base.cpus }) === keyOf(base),
  );
  const here = mine.find(({ cpus }) => cpus === cores)?.throughput;
  if (!here) return [];
  return mine
    .filter(({ cpus }) => cpus > cores)
    .map(({ cpus, throughput }) => {
      const paired = ratioOfMeasured(throughput!, here);
      return [cpus, Number.isNaN(paired.value) ? figureOf([0]) : paired];
    });
}
