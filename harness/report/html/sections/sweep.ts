/**
 * The section about what locks cost: advice, curves, distributions, fairness, hand-offs, and all points.
 *
 * A difference counts where the ranges of the two do not touch; otherwise the summary says that nothing can be said.
 */
import type { SweepPoint } from '../../../measure/schema.ts';
import { latency, MOST, pointTable, seriesOf, throughput } from '../curves.ts';
import { bars, heatMap } from '../heat.ts';
import { type Html, html, type Inserted } from '../markup.ts';
import { figure, list, percent, rate, several, time } from '../numbers.ts';
import type { Sweep } from '../results.ts';
import {
  crowded,
  DIMENSIONS,
  fitting,
  type Group,
  groups,
  likeness,
  valuesOf,
  varying,
  whereOf,
} from '../settings.ts';
import { distributions, fairness } from '../spread.ts';
import { comparedSummary, comparedTable } from './compared.ts';
import type { Around, Said, Section } from './section.ts';

/** Settings of which distributions and shares are shown. */
const SETTINGS = 3;
/** Jain's index below which a lock is called uneven. */
const UNEVEN = 0.9;

interface Setting {
  readonly where: string;
  readonly points: readonly SweepPoint[];
}

/** Points that differ in their lock alone, by what they have in common: as many CPUs as fit, and as many as there are. */
function settings(points: readonly SweepPoint[], cores: number): Setting[] {
  const dimensions = varying(points);
  const found = new Map<string, SweepPoint[]>();
  for (const point of new Set([...fitting(points, cores), ...crowded(points)])) {
    const like = likeness(point, dimensions);
    found.set(like, [...(found.get(like) ?? []), point]);
  }
  return [...found.values()].map((members) => ({
    where: whereOf(members[0]!, dimensions),
    points: members,
  }));
}

const suffix = (where: string): string => (where === '' ? '' : `, ${where}`);

/** The best of a setting, and whether that can be said. */
function best({ where, points }: Setting): Said | undefined {
  const ranked = points
    .filter((point) => point.throughput && point.noisy === undefined)
    .sort((one, other) => other.throughput!.median - one.throughput!.median);
  const [first, ...rest] = ranked;
  const second = rest[0];
  if (!first?.throughput || !second?.throughput) return undefined;
  const last = ranked.at(-1)!;
  const equal = rest.filter(({ throughput: each }) => each!.high >= first.throughput!.low);
  const at = where === '' ? '' : ` with ${where}`;
  if (equal.length > 0)
    return {
      kind: 'plain',
      text: html`The most sections by the second${at}: ${list([first, ...equal].map(({ lock }) => lock))}, at about ${rate(first.throughput.median)}; their ranges touch, so they cannot be told apart.`,
    };
  const times = first.throughput.median / last.throughput!.median;
  return {
    kind: 'plain',
    text: html`The most sections by the second${at}: <strong>${first.lock}</strong>, ${rate(first.throughput.median)}, which is ${figure(first.throughput.median / second.throughput.median)} times ${second.lock}${ranked.length > 2 && html`, and ${figure(times)} times ${last.lock}, which had the fewest`}.`,
  };
}

function slowest({ where, points }: Setting): Said | undefined {
  const ranked = points
    .filter(({ latency: each, noisy }) => noisy === undefined && each && each.samples > 0)
    .sort((one, other) => one.latency!.p99 - other.latency!.p99);
  const [first, last] = [ranked[0], ranked.at(-1)];
  if (!first?.latency || !last?.latency || first === last) return undefined;
  const at = where === '' ? '' : ` with ${where}`;
  return {
    kind: 'plain',
    text: html`One wait of a hundred${at} is longer than ${time(first.latency.p99)} for <strong>${first.lock}</strong>, and than ${time(last.latency.p99)} for ${last.lock}.`,
  };
}

/** Locks that were not shared evenly, each where it was worst. */
function uneven(all: readonly Setting[]): Said[] {
  const worst = new Map<string, { jain: number; ratio: number; where: string }>();
  for (const { where, points } of all)
    for (const { lock, fairness: each, noisy } of points)
      if (
        noisy === undefined &&
        each &&
        each.shares.length > 1 &&
        each.jain < Math.min(UNEVEN, worst.get(lock)?.jain ?? 1)
      )
        worst.set(lock, { jain: each.jain, ratio: each.ratio, where });
  return [...worst].map(([lock, { jain, ratio, where }]) => ({
    kind: 'warn',
    text: html`<strong>${lock}</strong> is shared unevenly${where !== '' && ` with ${where}`}: Jain’s index ${figure(jain)}; ${Number.isFinite(ratio) ? `one CPU had ${figure(ratio)} times as many sections as another` : 'one CPU had none'}.`,
  }));
}

/** What remains of the throughput when there are more CPUs than cores. */
function cliffs(points: readonly SweepPoint[], cores: number): { lock: string; share: number }[] {
  const most = Math.max(...points.map(({ cpus }) => cpus));
  if (most <= cores) return [];
  const all = groups(points).find(({ along }) => along.key === 'cpus')?.points ?? [];
  if (all.length === 0) return [];
  const quiet = (some: readonly SweepPoint[]) => some.filter(({ noisy }) => noisy === undefined);
  const fits = quiet(fitting(all, cores));
  return quiet(all.filter(({ cpus }) => cpus === most)).flatMap((many) => {
    const few = fits.find(({ lock }) => lock === many.lock);
    return many.throughput && few?.throughput && few !== many
      ? [{ lock: many.lock, share: many.throughput.median / few.throughput.median }]
      : [];
  });
}

function advised({ advice }: Sweep): Html | undefined {
  if (advice.length === 0) return undefined;
  return html`<h3>Advice, and what it rests on</h3><ul class="advice">${advice.map(
    ({ text, evidence }) =>
      html`<li>${text}${evidence.length > 0 && html`<ul>${evidence.map((each) => html`<li class="dim">${each}</li>`)}</ul>`}</li>`,
  )}</ul>`;
}

function asked({ points, options, absent, noise }: Sweep): Html {
  const varied = varying(points).map(
    (dimension) =>
      html`<dt>${dimension.title}</dt><dd>${valuesOf(points, dimension).map(dimension.show).join(', ')}</dd>`,
  );
  const first = points[0];
  const fixed = first
    ? whereOf(
        first,
        DIMENSIONS.filter((each) => !varying(points).includes(each)),
      )
    : '';
  const given = Object.entries(options).map(
    ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return html`<dl class="facts">${varied}${fixed !== '' && html`<dt>everywhere</dt><dd>${fixed}</dd>`}${given.length > 0 && html`<dt>options</dt><dd>${given.join('; ')}</dd>`}${absent.length > 0 && html`<dt>not there</dt><dd>${absent.join('; ')}</dd>`}${noise !== '' && html`<dt>noise</dt><dd>${noise}</dd>`}</dl>`;
}

const gallery = (figures: readonly Inserted[]): Html => html`<div class="gallery">${figures}</div>`;

function spreads({ make, cores }: Around, sweep: Sweep, order: readonly string[]): Inserted[] {
  const all = settings(sweep.points, cores).slice(0, SETTINGS);
  const indexed = (points: readonly SweepPoint[]): Map<string, number> =>
    new Map(seriesOf(points, order).map(({ name, at }) => [name, at]));
  return all.flatMap(({ where, points }) => {
    const at = indexed(points);
    const times = (of: 'latency' | 'handoff' | 'hold') =>
      points.flatMap((point) => {
        const each = point[of];
        return each ? [{ name: point.lock, at: at.get(point.lock) ?? 0, times: each }] : [];
      });
    return [
      distributions(
        make,
        `Distribution of latency${suffix(where)}`,
        'From wanting the lock to having it.',
        times('latency'),
      ),
      distributions(
        make,
        `Distribution of hand-off times${suffix(where)}`,
        'From giving the lock up to the next CPU having it, where that waited.',
        times('handoff'),
      ),
      distributions(
        make,
        `Distribution of hold times${suffix(where)}`,
        'From having the lock to giving it up: the section, and what disturbed it.',
        times('hold'),
      ),
      fairness(
        make,
        `Fairness${suffix(where)}`,
        points.flatMap((point) =>
          point.fairness ? [{ name: point.lock, shares: point.fairness.shares }] : [],
        ),
      ),
      gallery(
        points.map(
          ({ lock, handoffs }) =>
            // Of two CPUs each waits for the other.
            handoffs &&
            handoffs.length > 2 &&
            heatMap(make, {
              title: `Hand-offs of ${lock}${suffix(where)}`,
              text: 'Who waited (row) for whom (column): how often the lock went from one CPU to another that had been waiting. The darker, the more often.',
              matrix: handoffs,
              columns: 'had it before',
              rows: 'waited',
            }),
        ),
      ),
    ];
  });
}

/** The section of a sweep. */
export function sweepSection(around: Around, sweep: Sweep): Section {
  const { make, cores } = around;
  const { points, locks, file } = sweep;
  const order = [...new Set([...locks, ...points.map(({ lock }) => lock)])];
  const all = groups(points);
  const said = settings(points, cores).slice(0, SETTINGS);
  const fallen = cliffs(points, cores);
  const worst = [...fallen].sort((one, other) => one.share - other.share)[0];
  const broken = points.filter(({ violation }) => violation);
  const stalled = points.filter((point) => point.stalled !== undefined);
  const noisy = points.filter((point) => point.noisy !== undefined);
  const skipped = points.filter((point) => point.skipped !== undefined);
  const summary: (Said | undefined)[] = [
    {
      kind: 'plain',
      text: html`${several(order.length, 'lock')} measured at ${several(points.length, 'point')}.`,
    },
    ...said.flatMap((setting) => [best(setting), slowest(setting)]),
    ...uneven(said),
    sweep.comparison && comparedSummary(sweep.comparison),
    worst && {
      kind: worst.share < 0.5 ? 'warn' : 'plain',
      text: html`With more CPUs than cores, <strong>${worst.lock}</strong> keeps ${percent(worst.share)} of its throughput${fallen.length > 1 && ', the least of all'}.`,
    },
    broken.length > 0
      ? {
          kind: 'bad',
          text: html`<strong>${list([...new Set(broken.map(({ lock }) => lock))])}</strong> let two CPUs in, at ${several(broken.length, 'point')}: such a lock has no cost to compare.`,
        }
      : undefined,
    stalled.length > 0
      ? {
          kind: 'bad',
          text: html`${several(stalled.length, 'point')} did not come to an end: ${list([...new Set(stalled.map(({ lock }) => lock))])} stalled.`,
        }
      : undefined,
    noisy.length > 0
      ? {
          kind: 'warn',
          text: html`The machine was too noisy at ${several(noisy.length, 'point')}: nothing is claimed of ${noisy.length === 1 ? 'it' : 'them'}.`,
        }
      : undefined,
    skipped.length > 0
      ? { kind: 'warn', text: html`${several(skipped.length, 'point')} could not be measured.` }
      : undefined,
  ];
  const [first] = all;
  const main = all.filter(({ along }) => along === first?.along);
  const others = DIMENSIONS.filter(
    (each) => each !== first?.along && all.some(({ along }) => along === each),
  );
  const curves = (some: readonly Group[]): Inserted[] => [
    ...some.slice(0, MOST).flatMap((group) => [throughput(make, group, order), latency(make, group, order)]),
    some.length > MOST &&
      html`<p class="note">The first ${MOST} of ${some.length} settings; the table of all points has the others.</p>`,
  ];
  return {
    title: 'What the locks cost',
    summary: summary.filter((each) => each !== undefined),
    body: [
      html`<p>From <code>${file}</code>. A point is one lock in one setting, measured in several processes; a range reaches from the 10th to the 90th percentile.</p>`,
      asked(sweep),
      advised(sweep),
      sweep.comparison && comparedTable(make, sweep.comparison),
      ...curves(main),
      ...others.map((dimension) => {
        const some = all.filter(({ along }) => along === dimension);
        return html`<details class="more"><summary>By ${dimension.title}: ${several(some.length, 'setting')}</summary>${curves(some)}</details>`;
      }),
      bars(
        make,
        'What is left of the throughput with more CPUs than cores',
        `Throughput with ${Math.max(...points.map(({ cpus }) => cpus))} CPUs, as a share of that with as many as there are cores (${cores}). A short bar is a cliff. Noisy points are left out.`,
        'share',
        fallen.map(({ lock, share }) => ({ name: lock, value: share, shown: percent(share) })),
      ),
      ...spreads(around, sweep, order),
      html`<h3>All points</h3>`,
      make.table('All points', pointTable(points)),
    ],
  };
}
