/**
 * The rows of the table of races: every race of the model and every control, by the numbers that docs/mm.md gives them, with what is expected.
 *
 *   safety     something is wrong at the end, or in between: one of the oracles says so
 *   liveness   somebody does not come on: the bound says from when on that is so
 *   metric     nothing is wrong, and a number says how good it is; the control fails where that is not what it may be
 *   coverage   nothing is wrong, and something is not done: it is counted
 */
import type { ScenarioDefinition } from '../../src/scenario.ts';
import type { Classic } from '../../src/scenarios/classic.ts';
import { type Control, mmControls, mmRaces } from '../../src/scenarios/mm/index.ts';
import { SCRIPTS } from './steps/index.ts';
import type { Script } from './told.ts';

/** A row. */
export interface RaceRow {
  /** Its number in docs/mm.md: `R2.1`, `C0.a`; a control may have that of the race that it belongs to. `-`: the threads do not have it. */
  readonly id: string;
  /** Of its scenario, without `busted/`. */
  readonly name: string;
  readonly type: 'safety' | 'liveness' | 'metric' | 'coverage';
  /** From when on somebody does not come on; what a metric may be, or what is counted. */
  readonly bound?: string;
  /** A race is found, and its fixed twin silent; a control is silent. */
  readonly expected: 'found' | 'silent';
  /** What is wrong, or why it looks wrong and is not. */
  readonly says: string;
  /** The broken one of a race; a control itself. */
  readonly scenario: ScenarioDefinition;
  /** Of a race. */
  readonly fixed?: ScenarioDefinition;
  readonly script?: Script;
}

/** Bounds of what O-LIVE watches, by the names of races. */
const BOUNDS: Readonly<Record<string, string>> = {
  'mm/truncate/holds-i-mmap-lock': 'a second block of pages goes while somebody waits for i_mmap_lock',
  'mm/truncate/no-stamps': 'a vma is looked at again from where this call has been',
  'mm/truncate/no-restart': 'a vma is looked at again from where this call has been',
  'mm/truncate/small-vmas-hold': 'a second block of pages goes while somebody waits for i_mmap_lock',
  'mm/truncate/restarts-for-ptl': 'the walk starts over while nobody waits for i_mmap_lock',
  'mm/truncate/new-vmas-unstamped': 'more vmas are looked at than there were when it began',
};
/** Of those that nobody gets out of. */
const STUCK = 'nobody can go on, or nobody has within the steps of an execution';

/** Of one that no thread has. */
const NO_NUMBER = '-';
const idOf = (source: string): string => /\b[RC]\d+\.(?:\d+[a-z]?|[a-z])\b/.exec(source)?.[0] ?? NO_NUMBER;

/** What is no race, and has a number. */
const COUNTED: Readonly<Record<string, Pick<RaceRow, 'type' | 'bound'>>> = {
  'mm/spf/check-compiled-out': {
    type: 'metric',
    bound: 'pages read in for nobody; no more than one a fault',
  },
  'mm/spf/pte-lock-tries': {
    type: 'metric',
    bound: 'tries of a held pte lock besides the first; two a fault by this rule',
  },
  'mm/migrate/compound-passed-over': {
    type: 'coverage',
    bound: 'compound pages of drivers that a scan has passed over',
  },
};

const scriptOf = (name: string): Pick<RaceRow, 'script'> => {
  const script = SCRIPTS.get(name);
  return script === undefined ? {} : { script };
};

function raceRow({ name, broken, fixed }: Classic): RaceRow {
  const { caughtBy, wrong, source } = broken.mutant!;
  const stuck = caughtBy === 'progress';
  const bound = BOUNDS[name] ?? (stuck ? STUCK : undefined);
  return {
    id: idOf(source),
    name,
    ...(bound === undefined ? { type: 'safety' } : { type: 'liveness', bound }),
    expected: 'found',
    says: wrong,
    scenario: broken,
    fixed,
    ...scriptOf(name),
  };
}

const controlRow = ({ name, scenario, why, source }: Control): RaceRow => ({
  id: idOf(source),
  name,
  type: 'safety',
  ...COUNTED[name],
  expected: 'silent',
  says: why,
  scenario,
  ...scriptOf(name),
});

/** `R2.13` as [0, 2, 13]: races before controls, and by their numbers. */
function places(id: string): readonly number[] {
  const [, kind, story, number, letter = ''] = /^([RC])(\d+)\.(\d*)([a-z]?)$/.exec(id) ?? [];
  if (kind === undefined) return [2];
  return [Number(kind === 'C'), Number(story), Number(number), letter.charCodeAt(0) || 0];
}

function compare(one: RaceRow, other: RaceRow): number {
  const [here, there] = [places(one.id), places(other.id)];
  const at = here.findIndex((value, index) => value !== there[index]);
  return at < 0 ? 0 : here[at]! - there[at]!;
}

/** All rows, races before controls, by their numbers. */
export const RACE_ROWS: readonly RaceRow[] = [...mmRaces.map(raceRow), ...mmControls.map(controlRow)].sort(
  compare,
);
