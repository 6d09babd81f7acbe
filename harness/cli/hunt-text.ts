/** What a hunt says, for people: a failure, and the last line. */
import { shortPath } from '../cpus/source-map.ts';
import { richness, unseen } from '../engines/gated/coverage.ts';
import type { HuntFailure, HuntResult } from '../explore/hunt.ts';
import { LONGEST_TOKEN } from '../explore/token.ts';
import { group } from '../torture/summary.ts';

/**
 * What a failure says, for people.
 * @param written whether a token that is too long for a line is in a file, or will be
 */
export function describeFailure(
  failure: HuntFailure,
  subject: string,
  file?: string,
  written = true,
): string[] {
  const { after, shrunk } = failure;
  return [
    `  !!! ${failure.oracle}: ${failure.text.split('\n').join('\n      ')}`,
    ...failure.details.map((line) => `      ${line}`),
    `      under ${failure.model}, after ${group(after.executions)} executions and ${after.seconds.toFixed(2)} s; shrunk from ${shrunk.from} to ${failure.preemptions} preemptions in ${shrunk.seconds.toFixed(2)} s; ${failure.shown} ${failure.shown === 1 ? 'line' : 'lines'} of a run of ${failure.accesses} accesses:`,
    '',
    ...failure.columns,
    '',
    failure.token.length <= LONGEST_TOKEN || !written
      ? `  lockrig replay '${failure.token}'${file === undefined ? '' : ` ${shortPath(file)}`}`
      : `  the token has ${failure.token.length} characters; --out writes it to a file for ${subject}`,
  ];
}

/** Histories that were too much for the checker are not called linearizable. */
const undecided = (result: HuntResult): string =>
  result.undecided === 0
    ? ''
    : `; what was recorded in ${group(result.undecided)} of them is UNKNOWN to be linearizable: too many operations at once, or in all`;

/** Nor is what no detector has looked at called free of what they find. */
const unwatched = ({ unwatched, detect }: HuntResult): string =>
  unwatched === 0
    ? ''
    : `; ${group(unwatched)} of them had too many accesses to be shown to ${detect.join(', ')}`;

/** Executions without a new interleaving that make a search a spent one, if they are half of all. */
const SPENT = 500;

/** How much of what can happen has happened. */
function covered({ coverage, executions: all }: HuntResult): string {
  const { executions, interleavings, since, uncounted } = coverage;
  if (interleavings === 0) return '';
  const chance = 100 * unseen(coverage);
  const percent = chance >= 10 ? chance.toFixed(0) : chance.toPrecision(2);
  const parts = [
    // A hunt that goes on after another begins to count anew.
    `${group(interleavings)} distinct interleavings${executions < all ? ` in the last ${group(executions)} of them` : ''}`,
    since >= SPENT && since >= executions / 2
      ? `none new in the last ${group(since)} executions: more of the same finds nothing more, another --cpus or --steps may`
      : `about ${group(Math.max(richness(coverage) - interleavings, 0))} more to be found, the next execution is a new one with ${percent} %`,
    ...(uncounted > 0 ? [`${group(uncounted)} executions were too many to tell apart`] : []),
  ];
  return `; ${parts.join(', ')}`;
}

/** The last line of a hunt. */
export function verdictLine(result: HuntResult): string {
  const { executions, seconds } = result;
  const rate = `${group(executions)} executions in ${seconds.toFixed(1)} s`;
  const echo = `hunt:${result.subject} cpus=${result.cpus} models=${result.models.join()} seed=${result.seed}`;
  switch (result.verdict) {
    case 'found':
      return `${echo} FAILURE (${result.failures.map(({ oracle }) => oracle).join(', ')}) ${rate}`;
    case 'clean':
      return `${echo} SUCCESS no failure in ${rate}${covered(result)}${undecided(result)}${unwatched(result)}`;
    case 'interrupted':
      return `${echo} INTERRUPTED after ${rate}${covered(result)}`;
    default:
      return `${echo} NOT DETERMINISTIC: two runs of one schedule differ at ${result.difference}; what an episode needs from one call to the next belongs into shared memory, and Math.random, Date.now and the like have no place in it`;
  }
}
