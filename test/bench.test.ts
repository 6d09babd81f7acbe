/**
 * Every lock is measured and what it counted adds up; what cannot be measured is said. No figure of this
 * machine is asserted. Each party is a CPU of its own, whose start is most of the time: alone, one lock of each kind is
 * measured, and every lock in the long tests; under two CPUs one in three, others with each run.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { type BenchReport, bench, type SectionName } from '../bench/index.ts';
import { type NativePeers, nativePeers } from '../bench/native.ts';
import { crowding } from '../bench/oversubscribed.ts';
import { caseName, formsOf } from '../bench/rounds.ts';
import type { Budget } from '../bench/section.ts';
import { STAT_ROWS } from '../bench/stat.ts';
import { barsTable, uncontendedTable } from '../bench/table.ts';
import type { BenchSubject } from '../bench/team.ts';
import type { AnyLock } from '../src/locking/define.ts';
import { lockByName, locks } from '../src/locks.ts';
import { TINY_MM } from './fixtures/mm/tiny.ts';
import { haveTurn, longOnly, suite } from './suite.ts';

const TINY: Budget = {
  uncontended: { rounds: 2, warmup: 1, block: 1 },
  contended: { rounds: 2, warmup: 5, block: 5 },
  oversubscribed: { rounds: 1, warmup: 4, many: 20, two: 10, cpus: 3 },
  startup: { runs: 1 },
  litmus: { instances: 2048, ordered: 4096 },
  instructions: { time: 1 },
  padding: { time: 10 },
  stat: { teams: 2, rounds: 1, window: 5, planted: 50 },
  traced: { rounds: 2 },
  gated: { executions: 100, blocks: 2 },
  mm: TINY_MM,
  selftest: { control: false },
  hunted: { seeds: 1, replays: 2, mutants: false },
};
const NO_PEERS: NativePeers = { available: false, reason: 'no compiler in this test' };

async function run(
  sections: SectionName[],
  subjects: BenchSubject[],
  more: { peers?: NativePeers; against?: BenchSubject[]; budget?: Budget } = {},
): Promise<BenchReport> {
  return bench({ sections, subjects, budget: TINY, peers: NO_PEERS, ...more });
}

const subject = (name: string): BenchSubject => ({ lock: lockByName(name) as AnyLock });
const everyLock = locks.map((lock) => ({ lock }));
/** One of each kind, and the FIFO ones, on which the bars of this section are. */
const crowded = locks.filter(
  ({ kind, promises }, at) => promises.fifo || locks.findIndex((each) => each.kind === kind) === at,
);
/** Others with each run, and always one with a bar. */
const someLocks = [...new Set([crowded.find(({ promises }) => promises.fifo)!, ...haveTurn(crowded, 3)])].map(
  (lock) => ({ lock }),
);
/** Others with each run. */
const someOfAll = haveTurn(everyLock, 6);
const oneOfEachKind = everyLock.filter(
  ({ lock }, at) => locks.findIndex(({ kind }) => kind === lock.kind) === at,
);
const names = (where: 'alone' | 'together', of: readonly BenchSubject[] = everyLock): string[] =>
  of.flatMap(({ lock }) => formsOf(lock.kind, where).map((form) => caseName(lock, form)));
const finite = (values: readonly number[]): boolean =>
  values.every((each) => each >= 0 && Number.isFinite(each));

const sections = suite('bench sections');
const long = longOnly(sections);

async function measuredAlone(subjects: typeof everyLock): Promise<void> {
  const { sections: rows } = await run(['uncontended'], subjects);
  const measured = rows.uncontended ?? [];
  assert.equal(
    measured.map(({ name }) => name),
    names('alone', subjects),
  );
  for (const { name, parties, problem } of measured) {
    assert.is(problem, undefined, name);
    assert.equal(Object.keys(parties), ['wasm', 'wasm tracked', 'atomics', 'atomics tracked'], name);
    for (const { samples } of Object.values(parties)) {
      assert.is(samples.length, TINY.uncontended.rounds, name);
      assert.ok(finite(samples) && samples.every((each) => each > 0), name);
    }
  }
  const text = uncontendedTable(measured);
  for (const name of names('alone', subjects)) assert.ok(text.includes(`\n${name} `), `${name} has a line`);
}

sections(
  'locks of every kind are measured alone, on both engines, tracked and not',
  () => measuredAlone(haveTurn(oneOfEachKind, 4)),
  { deadline: 240_000 },
);

long('every lock is measured alone, on both engines, tracked and not', () => measuredAlone(everyLock));

sections(
  'locks are measured under two CPUs, and what it counted adds up',
  async () => {
    const { sections: rows } = await run(['contended'], someOfAll);
    const measured = rows.contended ?? [];
    assert.equal(
      measured.map(({ name }) => name),
      names('together', someOfAll),
    );
    for (const { name, parties, problem } of measured) {
      // A counter that is not the sum of the rounds would be this row's problem.
      assert.is(problem, undefined, name);
      assert.is(parties.lockrig?.shares?.length, 2, name);
      assert.ok(parties.lockrig !== undefined && finite(parties.lockrig.samples), name);
    }
  },
  { deadline: 240_000 },
);

sections(
  'locks of every kind are measured with more CPUs than cores, beside themselves with two',
  async () => {
    const { sections: rows, outcomes } = await run(['oversubscribed'], someLocks);
    const measured = rows.oversubscribed ?? [];
    assert.equal(
      measured.map(({ name }) => name),
      names('together', someLocks),
    );
    for (const { name, parties, figures, problem } of measured) {
      assert.is(problem, undefined, name);
      assert.is(parties.lockrig?.shares?.length, TINY.oversubscribed.cpus, name);
      assert.is(parties['2 CPUs']?.shares?.length, 2, name);
      assert.equal(Object.keys(figures), ['acquisitions/s', 'Jain', 'lockrig / 2 CPUs'], name);
    }
    const silence = outcomes.filter(({ bar }) => bar.figure === 'longest silence');
    assert.ok(silence.length > 0);
    for (const { verdict, why } of silence) {
      assert.is(verdict, 'skipped');
      assert.match(why ?? '', /a window of 20 ms cannot show/);
    }
  },
  { deadline: 240_000 },
);

sections('a lock that lets two in has a problem and no figures', async () => {
  const budget = { ...TINY, contended: { rounds: 3, warmup: 50, block: 150 } };
  const { sections: rows, outcomes } = await run(['contended'], [subject('busted/no-exclusion')], { budget });
  const [row] = rows.contended ?? [];
  assert.match(
    row?.problem ?? 'none',
    /'busted\/no-exclusion' let two CPUs in: its counter shows \d+ where \d+ was due/,
  );
  assert.equal(row?.figures, {});
  assert.equal(outcomes, [], 'no bar is about a broken lock');
});

sections('a lock can be held against others', async () => {
  const { sections: rows } = await run(['uncontended', 'contended'], [subject('ticket')], {
    against: [subject('mutex3'), subject('rwlock'), subject('ticket')],
  });
  assert.ok('wasm / mutex3' in rows.uncontended![0]!.figures);
  assert.ok('wasm / rwlock write' in rows.uncontended![0]!.figures, 'the form that excludes');
  assert.equal(Object.keys(rows.contended![0]!.figures), ['lockrig / mutex3', 'lockrig / rwlock write']);
});

sections('the command is timed up to its first acquisition', async () => {
  const { sections: rows } = await run(['startup'], []);
  const [row] = rows.startup ?? [];
  assert.is(row?.problem, undefined);
  // Between 1 ms, in which no Node starts, and the minute after which it would have been given up.
  const ms = row?.figures['first acquisition']?.value ?? 0;
  assert.ok(ms > 1 && ms < 60_000, String(ms));
});

sections('locks are measured with lock statistics and without, by each team', async () => {
  const { sections: rows } = await run(['stat'], []);
  assert.equal(
    rows.stat!.map(({ name }) => name),
    STAT_ROWS,
  );
  for (const { name, figures } of rows.stat!.filter(({ name }) => name.endsWith(' free'))) {
    const { value, low, high } = figures['with / without']!;
    assert.ok(figures.ns!.value > 0 && low > 0 && low <= value && value <= high, `${name} ${value}`);
  }
});

sections('more than two cores: the crowd is bound to two, or grows with them', () => {
  assert.equal(crowding({ cores: 2, pin: [0, 1] }), { cpus: 8, cores: 2, pin: [] });
  assert.equal(crowding({ cores: 6, pin: [3, 4, 5] }), { cpus: 8, cores: 2, pin: [3, 4] });
  assert.equal(crowding({ cores: 6, pin: [] }), { cpus: 24, cores: 6, pin: [] });
});

const peers = nativePeers();
if (!peers.available) sections.skip('locks stand beside C', peers.reason);
else {
  sections('locks stand beside their twins in C and the C library', async () => {
    const { sections: rows, outcomes } = await run(
      ['uncontended', 'contended'],
      [subject('ticket'), subject('mutex3')],
      { peers },
    );
    const [ticket, mutex3] = rows.contended!;
    assert.equal(Object.keys(ticket!.parties), ['lockrig', 'C release', 'C seqcst', 'pthread_mutex']);
    assert.equal(Object.keys(mutex3!.parties), ['lockrig', 'pthread_mutex']);
    for (const row of rows.uncontended!) assert.ok('wasm / pthread_mutex' in row.figures, row.name);
    assert.not.ok(outcomes.some(({ verdict }) => verdict === 'skipped'));
  });
}

sections(
  'native peers that are missing are reported, and their bars are skipped with the reason',
  async () => {
    const { notes, outcomes, sections: rows } = await run(['uncontended'], [subject('tas')]);
    assert.match(notes.join(), /no compiler in this test/);
    const skipped = outcomes.filter(({ verdict }) => verdict === 'skipped');
    assert.equal(
      skipped.map(({ bar }) => bar.figure),
      ['wasm / pthread_mutex', 'wasm tracked / pthread_mutex'],
    );
    for (const { why } of skipped) assert.match(why ?? '', /no compiler in this test/);
    assert.match(barsTable(outcomes), /skipped .*no compiler in this test/);
    assert.match(uncontendedTable(rows.uncontended ?? []), /tas .* - /);
  },
);

sections.run();

const command = suite('bench command');
const main = fileURLToPath(
  new URL(`../harness/cli/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);
const lockrig = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'bench', ...args], { encoding: 'utf8', timeout: 60_000 });

command('bad input is one sentence and exit code 2', () => {
  for (const [args, message] of [
    [['tikcet'], /there is no lock, no scenario and no workload 'tikcet'; the nearest are ticket/],
    [['startup', 'ticket'], /startup takes no locks: leave ticket out/],
    [['ticket', '--against'], /--against/],
  ] as const) {
    const { status, stderr } = lockrig(...args);
    assert.is(status, 2, stderr);
    assert.match(stderr, message);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
  }
});

command(
  'a section of the command is a table, its bars and an exit code; --strict turns a miss into 1',
  () => {
    const { status, stdout, stderr } = lockrig('startup', '--quick', '--json');
    assert.is(status, 0, stderr);
    const report = JSON.parse(stdout) as BenchReport;
    assert.is(report.complete, true);
    assert.equal(Object.keys(report.sections), ['startup']);
    assert.is(report.outcomes.length, 1);
    const strict = lockrig('startup', '--quick', '--strict');
    assert.match(strict.stdout, /first acquisition after \d+ ms/);
    assert.is(strict.status, /MISS/.test(strict.stdout) ? 1 : 0);
  },
);

command.run();
