/**
 * The table of races: every race and control of docs/mm.md has its row; what is not as expected is told, be it a race that is not found, a repair that is none, or steps that do not happen; and the
 * page in docs/ has the rows that there are.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { CpuThreads } from '../../harness/cpus/threads.ts';
import { measureRace, type RaceOptions, runFree, type Threads } from '../../harness/mm/race-measure.ts';
import { RACE_ROWS, type RaceRow } from '../../harness/mm/race-rows.ts';
import { judgeRace } from '../../harness/mm/races.ts';
import { lockrig, refused } from '../fixtures/torture/cli.ts';
import { read } from '../project.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm races');
const OPTIONS: RaceOptions = { executions: 4000, silent: 30, replays: 2, seed };
const some = inTurn(test, 4);
const DEADLINE = { deadline: 120_000 };
const rowOf = (name: string): RaceRow => RACE_ROWS.find((row) => row.name === name)!;

const kept: CpuThreads[] = [];
const threads: Threads = (cpus) => {
  const made = new CpuThreads(cpus);
  kept.push(made);
  return made;
};
test.after(async () => void (await Promise.all(kept.map((each) => each.destroy()))));

/** Races and controls that no thread has. */
const BESIDE: readonly string[] = [
  'mm/objrmap/swapin-youngest-anon-vma',
  'mm/spf/fork-unmarked',
  'mm/spf/kept-by-its-lock',
  'mm/migrate/lru-against-faults',
  'mm/migrate/lru-against-unmapping',
  'mm/migrate/collapse-passes-by',
  'mm/drivers/destroy-forgets-isolated',
  'mm/drivers/free-waits-for-page',
  'mm/drivers/dequeue-waits-for-page',
  'mm/drivers/dequeue-walks-unlocked',
  'mm/drivers/hooks-given-up',
];

const numbers = (story: number, last: number): string[] =>
  Array.from({ length: last }, (_, at) => `R${story}.${at + 1}`);

test('every race and every control has its row', () => {
  const rows = new Set(RACE_ROWS.map(({ id }) => id.replace(/(\d)[a-z]$/, '$1')));
  const races = [11, 8, 13, 13, 13].map((last, story) => numbers(story, last));
  const wanted = [...races, ['C0.a', 'C0.b', 'C1.a', 'C1.b', 'C2.a', 'C2.b', 'C3.a']];
  for (const id of wanted.flat()) assert.ok(rows.has(id), id);
  // Found beside them.
  for (const { id, name } of RACE_ROWS) assert.ok(id !== '-' || BESIDE.includes(name), name);
});

test('every race has its steps, and what O-LIVE watches has its bound', () => {
  for (const { name, expected, script } of RACE_ROWS) assert.ok(expected === 'silent' || script, name);
  for (const { name, type, bound, scenario } of RACE_ROWS) {
    const { caughtBy, says } = scenario.mutant ?? {};
    const live = caughtBy === 'progress' || says?.startsWith('O-LIVE') === true;
    assert.is(type === 'liveness', live, name);
    assert.is(bound !== undefined, type !== 'safety', name);
  }
});

test('the page in docs has a row for each, in their order', () => {
  const page = read('docs/mm-races.md');
  const [table = ''] = page.split('\n## ');
  const names = [...table.matchAll(/^\| [-\w.]+ +\| `([^`]+)`/gm)].map(([, name]) => name);
  assert.equal(
    names,
    RACE_ROWS.map(({ name }) => name),
    'docs/mm-races.md: lockrig mm races --page docs/mm-races.md',
  );
});

some(
  `a race is found, and its steps stop in the fixed variant (seed ${seed})`,
  async () => {
    const row = rowOf('mm/objrmap/detach-hides-vma');
    const result = await measureRace(row, threads, OPTIONS);
    assert.equal(judgeRace(row, result), { verdict: 'as expected' });
    assert.is(result.script?.oracle, 'check');
    assert.is(result.twin?.stopped?.step, 2);
    assert.is(result.hunt?.same, 2);
    assert.is(result.quiet.executions, 30);
  },
  DEADLINE,
);

some(
  `a broken variant for a repair is against what is expected, and a repair for a broken one (seed ${seed})`,
  async () => {
    const row = rowOf('mm/truncate/small-vmas-hold');
    const { scenario, fixed } = row;
    const unrepaired: RaceRow = { ...row, fixed: scenario };
    const { verdict, problem } = judgeRace(unrepaired, await measureRace(unrepaired, threads, OPTIONS));
    assert.is(verdict, 'against');
    assert.match(problem!, /come to something in the fixed variant: O-LIVE/);
    const harmless: RaceRow = { ...row, scenario: { ...fixed!, mutant: scenario.mutant } };
    const result = await measureRace(harmless, threads, { ...OPTIONS, executions: 50 });
    assert.match(judgeRace(harmless, result).problem!, /^its steps come to: nothing/);
    const { script, ...unscripted } = harmless;
    assert.match(judgeRace(unscripted, result).problem!, /^not found in \d+ executions/);
  },
  DEADLINE,
);

some(
  `a control that fails is told of (seed ${seed})`,
  async () => {
    const { fixed, script, ...rest } = rowOf('mm/objrmap/unuse-passes-over');
    const row: RaceRow = { ...rest, expected: 'silent' };
    const result = await measureRace(row, threads, { ...OPTIONS, silent: 4000 });
    assert.match(judgeRace(row, result).problem!, /^the control is not silent: ./);
  },
  DEADLINE,
);

some(
  `free CPUs come upon a race that is wide open (seed ${seed})`,
  async () => {
    const { seen, oracle } = await runFree(rowOf('mm/truncate/count-wraps'), 60_000, seed);
    assert.ok(seen);
    assert.is(oracle, 'exception');
  },
  DEADLINE,
);

test(
  'a part of the table by the command, as lines, JSON and a page',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockrig-races-'));
    try {
      const { code, stdout, stderr } = await lockrig(
        [
          'mm',
          'races',
          'C2.a',
          'R2.12',
          '--silent',
          '20',
          '--executions',
          '4000',
          '--replays',
          '2',
          '--free',
          '0',
        ].concat([
          '--seed',
          String(seed),
          '--json',
          join(folder, 'table.json'),
          '--page',
          join(folder, 'page.md'),
        ]),
      );
      assert.is(code, 0, stderr);
      assert.match(
        stdout,
        /mm races: 2 races, 1 controls, 3 as expected, 0 by script only, 0 against, 0 not run; 4 of 4/,
      );
      const { complete, races } = JSON.parse(readFileSync(join(folder, 'table.json'), 'utf8'));
      assert.is(complete, true);
      assert.equal(
        races.map(({ name }: { name: string }) => name),
        ['mm/truncate/restarts-for-ptl', 'mm/truncate/small-vmas-hold', 'mm/truncate/two-files'],
      );
      assert.match(
        readFileSync(join(folder, 'page.md'), 'utf8'),
        /\| R2\.12 \| `mm\/truncate\/restarts-for-ptl` \|/,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  DEADLINE,
);

for (const [args, says] of [
  [['R9'], /there is no race 'R9': a number such as R2\.13/],
  [['mm/truncate/no-stamp'], /the nearest are mm\/truncate\/no-stamps/],
  [['--reader', 'unuse'], /--reader is for mm regimes/],
  [['--silent', '0'], /--silent 0 is not right/],
  [['--page'], /--page/],
] as const)
  test(`mm races ${args.join(' ')} is refused`, async () =>
    refused(await lockrig(['mm', 'races', ...args]), says));

test.run();
