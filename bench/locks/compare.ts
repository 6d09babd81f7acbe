/**
 * A sweep against an earlier one, for a project that keeps a budget.
 *
 * Nothing of two runs was taken side by side, so the ratio of two figures is only as good as both their ranges allow: from the low of one by the high of the
 * other to the reverse. Worse is what is worse by more than the threshold, and outside of that range. Runs of different machines, versions of Node or options
 * are not compared, unless forced; then every figure says so.
 */
import type {
  Compared,
  Comparison,
  Measured,
  Setting,
  SweepDocument,
  SweepPoint,
} from '../../harness/measure/schema.ts';
import { type Figure, tells } from '../stats.ts';
import { ratioApart } from './figures.ts';
import { keyOf } from './settings.ts';

/** Why two runs are not comparable: each a clause. */
export function differencesOf(now: SweepDocument, then: SweepDocument): string[] {
  const reasons: string[] = [];
  const [here, there] = [now.environment, then.environment];
  const ask = (what: string, mine: unknown, other: unknown): void => {
    if (JSON.stringify(mine) !== JSON.stringify(other))
      reasons.push(`${what} ${JSON.stringify(mine)} now, ${JSON.stringify(other)} then`);
  };
  ask('processor', here.cpu, there.cpu);
  ask('cores', here.cores, there.cores);
  ask('architecture', `${here.platform} ${here.arch}`, `${there.platform} ${there.arch}`);
  ask('Node', here.node, there.node);
  ask('flags of Node', here.flags, there.flags);
  for (const option of new Set([...Object.keys(now.options), ...Object.keys(then.options)]))
    ask(`option ${option}`, now.options[option], then.options[option]);
  return reasons;
}

const settingOf = ({ cpus, section, outside, reads, waiting, locks }: Setting): Setting => ({
  cpus,
  section,
  outside,
  reads,
  waiting,
  locks,
});

/** The ranges hold what forks and windows differ by: noise is in them. @param better which ratio is: above 1, or below */
function judge(figure: Figure, threshold: number, better: 'more' | 'less'): Compared['verdict'] {
  const gain = better === 'more' ? figure.value - 1 : 1 - figure.value;
  if (Math.abs(gain) <= threshold) return 'same';
  if (!tells(figure, 1)) return 'unclear';
  return gain < 0 ? 'worse' : 'better';
}

function rowsOf(now: SweepPoint, then: SweepPoint, threshold: number): Compared[] {
  const known = { lock: now.lock, ...settingOf(now) };
  if (!then.throughput) return [];
  if (!now.throughput || now.stalled !== undefined || now.skipped !== undefined)
    return [
      {
        ...known,
        figure: 'throughput',
        verdict: 'worse',
        why: now.stalled ?? now.skipped ?? 'no figure now',
      },
    ];
  const noisy = now.noisy !== undefined || then.noisy !== undefined;
  const row = (
    figure: Compared['figure'],
    better: 'more' | 'less',
    mine: Measured,
    other: Measured,
  ): Compared => {
    const ratio = ratioApart(mine, other);
    // JSON has no infinity, and nothing follows from it.
    if (![ratio.value, ratio.low, ratio.high].every(Number.isFinite))
      return { ...known, figure, verdict: 'unclear', why: 'there were windows in which nothing was done' };
    const verdict = judge(ratio, threshold, better);
    return {
      ...known,
      figure,
      now: mine.median,
      before: other.median,
      ratio: { value: ratio.value, low: ratio.low, high: ratio.high },
      // Where forks differ by more than may be claimed, the slowest of a hundred say who else used the machine.
      verdict: noisy && figure === 'p99' && verdict !== 'same' ? 'unclear' : verdict,
      ...(noisy ? { why: now.noisy ?? then.noisy ?? '' } : {}),
    };
  };
  return [
    row('throughput', 'more', now.throughput, then.throughput),
    ...(now.p99 && then.p99 && then.p99.median > 0 ? [row('p99', 'less', now.p99, then.p99)] : []),
  ];
}

/**
 * Compares.
 * @param threshold a share: what differs by no more is the same
 * @param forced why the runs are not comparable, where it was asked for all the same
 */
export function compare(
  now: SweepDocument,
  then: SweepDocument,
  threshold: number,
  forced: readonly string[],
): Comparison {
  const key = (point: SweepPoint): string => `${point.lock} ${keyOf(point)}`;
  const before = new Map(then.points.map((point) => [key(point), point]));
  const rows = now.points.flatMap((point) => {
    const other = before.get(key(point));
    return other ? rowsOf(point, other, threshold) : [];
  });
  const seen = new Set(now.points.map(key));
  return {
    threshold,
    forced,
    rows: forced.length > 0 ? rows.map((row) => ({ ...row, forced: true })) : rows,
    missing: {
      now: then.points.filter((point) => !seen.has(key(point))).length,
      before: now.points.filter((point) => !before.has(key(point))).length,
    },
    partial: !then.complete,
  };
}
