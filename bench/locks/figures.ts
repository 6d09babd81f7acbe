/**
 * From what forks answered to the points of a document.
 *
 * Samples are the windows of all forks, in order, so that two locks' samples with the same index were taken side by side. `variation` is between forks: it
 * says whether another run would find the same.
 */
import type { Measured, Peer, Setting, SweepPoint, Times } from '../../harness/measure/schema.ts';
import { type Figure, figureOf, jain, median, quantile, ratioOf } from '../stats.ts';
import type { ForkFigures } from './fork.ts';
import type { PeerFigures } from './peer.ts';
import { countedOf, percentile, timesOf, together } from './times.ts';

/** More than this between forks is noisy: alone, and where CPUs get into each other's way. */
export const NOISY = { alone: 0.03, together: 0.1 } as const;

/** Standard deviation by mean; 0 of one. */
export function variationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  if (values.length < 2 || mean === 0) return 0;
  const squares = values.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1)) / mean;
}

/** A figure from the samples of each fork. */
export function measuredOf(byFork: readonly (readonly number[])[]): Measured {
  const samples = byFork.flat();
  const forks = byFork.map((each) => median(each));
  return {
    median: median(samples),
    low: quantile(samples, 0.1),
    high: quantile(samples, 0.9),
    samples,
    forks,
    variation: variationOf(forks),
  };
}

/** Whether forks differ by too much to say anything, in a sentence. */
function noisy(throughput: Measured, cpus: number): Pick<SweepPoint, 'noisy'> {
  const most = cpus === 1 ? NOISY.alone : NOISY.together;
  const { variation, forks = [] } = throughput;
  if (throughput.median === 0) return { noisy: 'in half of the windows nothing was done' };
  if (forks.length < 2) return { noisy: 'one fork: how much forks differ is not known' };
  if (variation <= most) return {};
  return { noisy: `forks differ by ${(100 * variation).toFixed(1)} % (at most ${100 * most} %)` };
}

const sumOf = (rows: readonly (readonly number[])[]): number[] =>
  (rows[0] ?? []).map((_, at) => rows.reduce((sum, row) => sum + (row[at] ?? 0), 0));

function fairness(byFork: readonly (readonly number[])[]): Pick<SweepPoint, 'fairness'> {
  const shares = sumOf(byFork);
  if (shares.length < 2) return {};
  const least = Math.min(...shares);
  return {
    fairness: {
      shares,
      // JSON has no infinity: where a CPU got nothing, its one section that did not come stands below.
      ratio: Math.max(...shares) / Math.max(1, least),
      jain: jain(shares),
      byFork: measuredOf(byFork.map((each) => [jain(each)])),
    },
  };
}

/** The point of a lock that was measured by lockrig's own loop. */
export function pointOf(
  lock: string,
  setting: Setting,
  forks: readonly ForkFigures[],
  peer?: Peer,
): SweepPoint {
  const throughput = measuredOf(forks.map((each) => each.throughput));
  const every = forks.at(-1)!.every;
  const wait = together(forks.map((each) => each.wait));
  const hold = together(forks.map((each) => each.hold));
  const handoff = together(forks.map((each) => each.handoff));
  const turn = median(forks.map((each) => each.turn));
  const { turns } = forks.at(-1)!;
  return {
    lock,
    ...(peer ? { peer } : {}),
    ...setting,
    throughput,
    latency: timesOf(wait, every),
    ...(wait.samples > 0 ? { p99: measuredOf(forks.map((each) => [percentile(each.wait, 0.99)])) } : {}),
    hold: timesOf(hold, every),
    ...(handoff.samples > 0 ? { handoff: timesOf(handoff, every) } : {}),
    ...fairness(forks.map((each) => each.shares)),
    ...(setting.cpus > 1
      ? { handoffs: forks[0]!.handoffs.map((_, cpu) => sumOf(forks.map((each) => each.handoffs[cpu]!))) }
      : {}),
    calibrated: { section: turns.section * turn, outside: turns.outside * turn, turns: turns.section, turn },
    ...noisy(throughput, setting.cpus),
  };
}

/** Times of forks as one. */
const addedUp = (all: readonly Times[]): Times => timesOf(together(all.map(countedOf)), all.at(-1)!.every);

/** The point of a peer that measured itself. */
export function peerPoint(
  lock: string,
  peer: Peer,
  setting: Setting,
  forks: readonly PeerFigures[],
): SweepPoint {
  const throughput = measuredOf(forks.map((each) => each.throughput));
  const { handoffs, section } = forks.at(-1)!;
  const latencies = forks.flatMap(({ latency }) => latency ?? []);
  const releases = forks.flatMap(({ handoff }) => handoff ?? []);
  const shares = forks.flatMap((each) => (each.shares ? [each.shares] : []));
  return {
    lock,
    peer,
    ...setting,
    throughput,
    ...(latencies.length > 0 ? { latency: addedUp(latencies) } : {}),
    ...(latencies.length > 0 ? { p99: measuredOf(latencies.map(({ p99 }) => [p99])) } : {}),
    ...(releases.length > 0 ? { handoff: addedUp(releases) } : {}),
    ...(handoffs
      ? { handoffs: handoffs.map((_, cpu) => sumOf(forks.map((each) => each.handoffs?.[cpu] ?? []))) }
      : {}),
    ...(section === undefined ? {} : { calibrated: { section, outside: setting.outside } }),
    ...fairness(shares),
    ...noisy(throughput, setting.cpus),
  };
}

/** How one figure relates to another that was taken side by side: by pairs of windows, or of forks where a fork is missing. */
export function ratioOfMeasured(top: Measured, bottom: Measured): Figure {
  if (top.samples.length === bottom.samples.length) return ratioOf(top.samples, bottom.samples);
  return ratioOf(top.forks ?? [top.median], bottom.forks ?? [bottom.median]);
}

/** How one figure relates to another of another run, where nothing was side by side: the medians, and how far apart the ranges of both allow it to be. */
export function ratioApart(top: Measured, bottom: Measured): Figure {
  const spread = (each: Measured): Figure => figureOf([...each.samples, ...(each.forks ?? [])]);
  const [over, under] = [spread(top), spread(bottom)];
  return { value: top.median / bottom.median, low: over.low / under.high, high: over.high / under.low };
}
