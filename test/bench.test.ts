/**
 * The benchmark counts right and says what it does not know. No figure of this machine is asserted: only that every lock has a row, that what was
 * counted adds up, and that bars, ratios and refusals follow from the figures.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { type Bar, bars, hold, holdAll } from '../bench/bars.ts';
import { type BenchReport, bench, type SectionName } from '../bench/index.ts';
import { type NativePeers, nativePeers } from '../bench/native.ts';
import { crowding } from '../bench/oversubscribed.ts';
import { caseName, formsOf } from '../bench/rounds.ts';
import type { Budget, Row } from '../bench/section.ts';
import {
  exactly,
  jain,
  longestSilence,
  quantile,
  ratesOf,
  ratioOf,
  seriesOf,
  tells,
} from '../bench/stats.ts';
import { barsTable, noise, ratio, uncontendedTable } from '../bench/table.ts';
import type { BenchSubject } from '../bench/team.ts';
import { takeTurns } from '../bench/turns.ts';
import type { AnyLock } from '../src/locking/define.ts';
import { lockByName, locks } from '../src/locking/index.ts';
import { suite } from './suite.ts';

const TINY: Budget = {
  uncontended: { rounds: 2, warmup: 1, block: 1 },
  contended: { rounds: 2, warmup: 5, block: 5 },
  oversubscribed: { rounds: 1, warmup: 4, many: 20, two: 10, cpus: 3 },
  startup: { runs: 1 },
  litmus: { instances: 2048 },
  instructions: { time: 1 },
  padding: { time: 10 },
  selftest: { control: false },
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
const names = (where: 'alone' | 'together'): string[] =>
  locks.flatMap((lock) => formsOf(lock.kind, where).map((form) => caseName(lock, form)));
const finite = (values: readonly number[]): boolean =>
  values.every((each) => each >= 0 && Number.isFinite(each));

const statistics = suite('bench statistics');

statistics('quantiles lie between samples in proportion, also beside infinite ones', () => {
  assert.is(quantile([3, 1, 2], 0.5), 2);
  assert.is(quantile([1, 2], 0.5), 1.5);
  assert.is(
    quantile([1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 0.75),
    Number.POSITIVE_INFINITY,
  );
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.equal(ratesOf([50, Number.POSITIVE_INFINITY]), [2e7, 0]);
});

statistics('a ratio is that of pairs: what slows both down at once does not show', () => {
  const steady = ratioOf([20, 40, 20, 80], [10, 20, 10, 40]);
  assert.equal(steady, { value: 2, low: 2, high: 2 });
  assert.equal(ratioOf([1, 0, 6], [1, 0, 2]).value, 2, 'a pair of zeroes says nothing');
});

statistics('a difference inside the spread is none', () => {
  assert.ok(tells({ value: 1.2, low: 1.1, high: 1.3 }, 1));
  assert.ok(tells({ value: 0.8, low: 0.7, high: 0.9 }, 1));
  assert.not.ok(tells({ value: 1.2, low: 0.9, high: 1.5 }, 1));
  assert.is(ratio({ value: 1.02, low: 0.95, high: 1.1 }), '≈ 1');
  assert.is(ratio({ value: 1.2, low: 0.9, high: 1.5 }), '?');
  assert.is(ratio({ value: 1.2, low: 1.1, high: 1.5 }), '1.20 ×');
});

statistics("Jain's index is 1 for equal shares and 1/n when one has all", () => {
  assert.is(jain([5, 5, 5, 5]), 1);
  assert.is(jain([8, 0, 0, 0]), 0.25);
});

statistics('silence is the longest time in which one count stands still, the end of the run included', () => {
  const times = [0, 100, 200, 300, 400];
  const steady = [1, 2, 3, 4, 5];
  const looks = (other: number[]): number[][] => steady.map((count, at) => [count, other[at]!]);
  assert.is(longestSilence(times, looks(steady)), 100);
  assert.is(longestSilence(times, looks([0, 1, 1, 1, 2])), 300);
  assert.is(longestSilence(times, looks([0, 0, 0, 0, 0])), 400, 'never');
  assert.is(longestSilence(times, looks([0, 1, 1, 1, 1])), 300, 'not any more');
});

statistics.run();

const turns = suite('bench turns');

turns('contestants go in turn, one at a time, and their samples stay in order', async () => {
  const log: string[] = [];
  let running = 0;
  const contestant = (name: string, nanoseconds: number) => ({
    name,
    async block() {
      assert.is(running, 0, 'alone');
      running += 1;
      log.push(name);
      await new Promise((resolve) => setTimeout(resolve, name === 'a' ? 3 : 1));
      running -= 1;
      return nanoseconds - log.length;
    },
  });
  const samples = await takeTurns([contestant('a', 100), contestant('b', 200)], 3);
  assert.is(log.join(''), 'ababab');
  assert.equal(samples.get('a'), [99, 97, 95]);
  assert.equal(samples.get('b'), [198, 196, 194]);
});

turns('what a block throws is thrown, and nobody runs after it', async () => {
  let after = 0;
  const fails = {
    name: 'fails',
    block: (): Promise<number> => Promise.reject(new Error('a lock that throws')),
  };
  const other = {
    name: 'other',
    async block(): Promise<number> {
      after += 1;
      return 1;
    },
  };
  const error = await takeTurns([fails, other], 3).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  assert.is(error?.message, 'a lock that throws');
  assert.is(after, 0);
});

turns('an aborted run ends before its next block', async () => {
  const controller = new AbortController();
  let blocks = 0;
  const once = {
    name: 'once',
    async block(): Promise<number> {
      blocks += 1;
      controller.abort(new Error('enough'));
      return 1;
    },
  };
  const error = await takeTurns([once], 3, controller.signal).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  assert.is(error?.message, 'enough');
  assert.is(blocks, 1);
});

turns.run();

const sections = suite('bench sections');

sections(
  'every lock is measured alone, on both engines, tracked and not',
  async () => {
    const { sections: rows } = await run(['uncontended'], everyLock);
    const measured = rows.uncontended ?? [];
    assert.equal(
      measured.map(({ name }) => name),
      names('alone'),
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
    for (const name of names('alone')) assert.ok(text.includes(`\n${name} `), `${name} has a line`);
  },
  { deadline: 240_000 },
);

sections(
  'every lock is measured under two CPUs, and what it counted adds up',
  async () => {
    const { sections: rows, machine } = await run(['contended'], everyLock);
    const measured = rows.contended ?? [];
    assert.equal(
      measured.map(({ name }) => name),
      names('together'),
    );
    assert.ok(machine.usable.length > 0);
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
  'every lock is measured with more CPUs than cores, beside itself with two',
  async () => {
    const { sections: rows, outcomes } = await run(['oversubscribed'], everyLock);
    const measured = rows.oversubscribed ?? [];
    assert.equal(
      measured.map(({ name }) => name),
      names('together'),
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

/** A lock that locks nothing, as a module that workers can import. */
function openDoor(): BenchSubject {
  const source = `export const door = { definition: 'lock', name: 'open-door', kind: 'mutex', size: () => 4, layout: undefined, perCpu: 0,
    promises: {}, init() {}, share: undefined, mutant: undefined, create: () => ({ acquire() {}, release() {} }) };`;
  const lock = {
    ...(lockByName('tas') as AnyLock),
    name: 'open-door',
    init: () => {},
    promises: {},
  } as AnyLock;
  return { lock, url: `data:text/javascript,${encodeURIComponent(source)}` };
}

sections('a lock that lets two in has a problem and no figures', async () => {
  const budget = { ...TINY, contended: { rounds: 3, warmup: 50, block: 150 } };
  const { sections: rows, outcomes } = await run(['contended'], [openDoor()], { budget });
  const [row] = rows.contended ?? [];
  assert.match(
    row?.problem ?? 'none',
    /'open-door' let two CPUs in: its counter shows \d+ where \d+ was due/,
  );
  assert.equal(row?.figures, {});
  assert.equal(outcomes, [], "the bars are about lockrig's own locks");
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
  // Between 10 ms, in which no Node starts, and the minute after which it would have been given up.
  const ms = row?.figures['first acquisition']?.value ?? 0;
  assert.ok(ms > 10 && ms < 60_000, String(ms));
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

const verdicts = suite('bench bars');

const row = (name: string, figures: Row['figures'], more: Partial<Row> = {}): Row => ({
  name,
  judged: true,
  fifo: false,
  parties: {},
  figures,
  ...more,
});
const between = (low: number, value: number, high: number) => ({ value, low, high });
const most: Bar = { section: 's', text: 't', figure: 'f', rows: 'all', most: 2, unit: '×' };
const least: Bar = { section: 's', text: 't', figure: 'f', rows: 'fifo', least: 2, unit: '×' };

verdicts('a figure passes or misses by its value, either way', () => {
  const verdict = (bar: Bar, value: number) => hold(bar, row('x', { f: exactly(value) })).verdict;
  assert.equal(
    [1.9, 2, 2.1].map((value) => verdict(most, value)),
    ['pass', 'pass', 'MISS'],
  );
  assert.equal(
    [1.9, 2, 2.1].map((value) => verdict(least, value)),
    ['MISS', 'pass', 'pass'],
  );
  assert.is(verdict(least, Number.NaN), 'MISS');
});

verdicts('a figure nearer to the bar than its spread is marked', () => {
  assert.ok(hold(most, row('x', { f: between(1.5, 1.9, 2.2) })).close);
  assert.not.ok(hold(most, row('x', { f: between(1.5, 1.7, 1.9) })).close);
  assert.not.ok(hold(most, row('x', { f: exactly(2) })).close);
  assert.match(barsTable([hold(most, row('x', { f: between(1.5, 1.9, 2.2) }))]), /too close to call/);
});

verdicts('a bar is about the rows that it names, and about no users’ lock', () => {
  const rows = [
    row('a', { f: exactly(1) }),
    row('b', { f: exactly(3) }, { fifo: true }),
    row('mine', { f: exactly(1) }, { judged: false, fifo: true }),
  ];
  const held = (bar: Bar) => holdAll({ s: rows }, undefined, [bar]).map((each) => each.row);
  assert.equal(held(most), ['a', 'b']);
  assert.equal(held(least), ['b']);
  assert.equal(held({ ...most, rows: ['a', 'elsewhere'] }), ['a']);
  assert.equal(holdAll({}, undefined, [most]), [], 'a section that was not run');
});

verdicts('a lock that could not be measured misses, one without a partner is skipped', () => {
  assert.is(hold(most, row('x', {}, { problem: 'it threw' })).verdict, 'MISS');
  const native = { ...most, figure: 'lockrig / C release' };
  assert.is(hold(native, row('x', {}), 'no compiler').verdict, 'skipped');
  assert.is(hold(native, row('x', {}), 'no compiler').why, 'no compiler');
  assert.is(hold(most, row('x', {}, { missing: { f: 'too short' } }), 'no compiler').why, 'too short');
});

verdicts('every bar names figures and locks that exist', () => {
  const known = new Set([...names('alone'), ...names('together'), 'SB once', 'SB seqcst']);
  for (const { rows, figure, most: high, least: low } of bars) {
    if (typeof rows === 'object') for (const name of rows) assert.ok(known.has(name), name);
    assert.ok(figure.length > 0);
    assert.ok((high === undefined) !== (low === undefined), 'one limit');
  }
});

verdicts('the noise is that of the blocks', () => {
  const parties = { wasm: seriesOf('ns', [10, 10, 10, 10]), pthread_mutex: seriesOf('ns', [10, 20, 30, 40]) };
  const text = noise({ uncontended: [row('tas', {}, { parties })] });
  assert.match(text, /at most by 96 % \(tas, pthread_mutex, uncontended\)/);
  assert.is(noise({}), '');
});

verdicts.run();

const command = suite('bench command');
const main = fileURLToPath(
  new URL(`../harness/cli/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);
const lockrig = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'bench', ...args], { encoding: 'utf8', timeout: 60_000 });

command('bad input is one sentence and exit code 2', () => {
  for (const [args, message] of [
    [['tikcet'], /there is no lock 'tikcet'; the nearest are ticket/],
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
